/* The book's network, whole, in C: what runs in the page when a reader asks for a picture.

   Everything is a `Map`: channels of h x w places, float32, channels first, as in Python; words are a map of one row.
   The weights are a scroll, written in the order in which one answer asks for them: each layer reads on where the
   one before it stopped, so no weight needs a name here. The functions stand in the order in which they need each other;
   from `stage` on this is diffusion_lib/networks/unet.py, line by line.

   Nearly all the time is spent in `multiply`. There is no library below this file, not even C's own: memory is one row
   of floats that fills from the left, and sin, cos, exp and log are JavaScript's. */

typedef float Eight __attribute__((vector_size(32), aligned(4)));   /* eight places at once: two registers of WebAssembly */
typedef int Whole __attribute__((vector_size(32), aligned(4)));
typedef struct { int c, h, w; float *at; } Map;

#define EXPORT(name) __attribute__((export_name(name)))
#define MATH(name) extern double math_##name(double) __attribute__((import_module("Math"), import_name(#name)))
MATH(sin);
MATH(cos);
MATH(exp);
MATH(log);

enum { LEVELS = 8, DEPTH = 64, GROUPS = 8, HEAD = 32, ROWS = 4 };   /* HEAD: channels of one head of attention */

/* The shape of the network, as diffusion_lib/engine writes it: whole numbers in this order. */
static struct {
    int channels, size, stem, patch, places;                        /* the picture, and the way in */
    int embedding, waves;                                           /* what blocks are told: how long, from how many waves */
    int wish, rows, words, layers;                                  /* the wish: its width, its table, longest text, reader */
    int levels, width[LEVELS], blocks[LEVELS], attends[LEVELS], reads[LEVELS];
} net;

/* ---- Memory: a row of floats that fills from the left, and is emptied by setting `top` back ------------------------ */

extern float __heap_base;
static float *top = &__heap_base, *weights, *scroll, *desk, *picture;
static int count, *wish;

static void *take(int floats)
{
    float *taken = top;
    top += (floats + 15) & ~15;                                     /* whole cache lines */
    int missing = (int)top / 65536 + 1 - __builtin_wasm_memory_size(0);
    if (missing > 0 && (int)__builtin_wasm_memory_grow(0, missing) < 0) __builtin_trap();
    return taken;
}

static const float *next(int floats) { return (scroll += floats) - floats; }    /* the next weights of the scroll */

static Map map(int c, int h, int w) { return (Map){c, h, w, take(c * h * w)}; }

static int area(Map x) { return x.h * x.w; }

static void lay(float *to, const float *from, int floats) { __builtin_memcpy(to, from, floats * sizeof *to); }

static Map copy(Map x)
{
    Map y = map(x.c, x.h, x.w);
    lay(y.at, x.at, x.c * area(x));
    return y;
}

/* ---- Arithmetic, eight places at a time ------------------------------------------------------------------------- */

#define EACH(i, n) for (int i = 0; i < (n); i += 8)
#define AT(pointer) (*(Eight *)(pointer))

static Eight even(float x) { return (Eight){x, x, x, x, x, x, x, x}; }

static float sum(Eight x) { return x[0] + x[1] + x[2] + x[3] + x[4] + x[5] + x[6] + x[7]; }

/* e^x = 2^n e^r with a whole n, and r so small (|r| < 0.35) that seven terms of the series do. */
static Eight power(Eight x)
{
    x = __builtin_elementwise_max(__builtin_elementwise_min(x, even(87)), even(-87));
    Eight n = __builtin_elementwise_roundeven(x * 1.44269504f), r = x - n * 0.69314718f;
    Eight series = 1 + r * (1 + r / 2 * (1 + r / 3 * (1 + r / 4 * (1 + r / 5 * (1 + r / 6)))));
    return series * (Eight)((__builtin_convertvector(n, Whole) + 127) << 23);
}

static Eight gate(Eight x) { return x / (1 + power(-x)); }          /* SiLU */

static Map silu(Map x)
{
    EACH(i, x.c * area(x)) AT(x.at + i) = gate(AT(x.at + i));
    return x;
}

static Map add(Map x, Map y)
{
    EACH(i, x.c * area(x)) AT(x.at + i) += AT(y.at + i);
    return x;
}

/* A matrix as it lies somewhere: row r, column k at [r * row + k * column]. */
typedef struct { const float *at; int row, column; } Matrix;

/* out[r][place] = bias[r] + sum over k of m[r][k] in[from[k] + place]

   Every product of maps is this one. In a convolution k counts the places of its little window, and `from` says
   where each of them begins in `in`, whose rows are `step` long. The sums of 4 rows x 8 places stay in registers (for more
   rows there are too few of these). */
static void multiply(Map out, Matrix m, const float *bias, const float *in, int step, const int *from, int terms)
{
    for (int r = 0; r < out.c; r += ROWS) {
        int row[ROWS];
        for (int j = 0; j < ROWS; j++) row[j] = r + j < out.c ? r + j : out.c - 1;   /* past the end the last one again */
        for (int y = 0; y < out.h; y++)
            EACH(x, out.w) {
                const float *place = in + y * step + x;
                Eight to[ROWS];
                for (int j = 0; j < ROWS; j++) to[j] = even(bias ? bias[row[j]] : 0);
                for (int k = 0; k < terms; k++)
                    for (int j = 0; j < ROWS; j++) to[j] += m.at[row[j] * m.row + k * m.column] * AT(place + from[k]);
                for (int j = 0; j < ROWS; j++) {
                    float *at = out.at + row[j] * area(out) + y * out.w + x;
                    if (out.w > 4) AT(at) = to[j];
                    else lay(at, (float *)&to[j], 4);               /* the judge's smallest map has rows of four */
                }
            }
    }
}

/* ---- Layers ----------------------------------------------------------------------------------------------------- */

/* Squares of side x side places into channels, after a margin of zeros was laid around the map. */
static Map unshuffle(Map x, int side, int margin)
{
    Map y = map(x.c * side * side, (x.h + 2 * margin) / side, (x.w + 2 * margin) / side);
    if (margin) __builtin_memset(y.at, 0, y.c * area(y) * sizeof *y.at);
    for (int c = 0; c < x.c; c++)
        for (int i = 0; i < x.h; i++) {
            const float *from = x.at + c * area(x) + i * x.w;
            float *to = y.at + (c * side + (i + margin) % side) * side * area(y) + (i + margin) / side * y.w;
            if (side == 1) lay(to + margin, from, x.w);
            else for (int j = 0; j < x.w; j++) to[(j + margin) % side * area(y) + (j + margin) / side] = from[j];
        }
    return y;
}

static Map shuffle(Map x, int side)                                 /* and back */
{
    Map y = map(x.c / (side * side), x.h * side, x.w * side);
    for (int c = 0; c < y.c; c++)
        for (int i = 0; i < y.h; i++)
            for (int j = 0; j < y.w; j++) {
                int channel = (c * side + i % side) * side + j % side;
                y.at[c * area(y) + i * y.w + j] = x.at[channel * area(x) + i / side * x.w + j / side];
            }
    return y;
}

static Map twice(Map x)                                             /* each place four times */
{
    Map y = map(x.c, 2 * x.h, 2 * x.w);
    for (int i = 0; i < y.c * y.h; i++)
        for (int j = 0; j < y.w; j++) y.at[i * y.w + j] = x.at[i / 2 * x.w + j / 2];
    return y;
}

static Map cat(Map x, Map y)
{
    Map z = map(x.c + y.c, x.h, x.w);
    lay(z.at, x.at, x.c * area(x));
    lay(z.at + x.c * area(x), y.at, y.c * area(y));
    return z;
}

/* A convolution to c channels with windows of side x side places, `stride` apart. */
static Map conv(Map x, int c, int side, int stride)
{
    Map y = map(c, x.h / stride, x.w / stride);
    float *mark = top;
    Map in = side > 1 ? unshuffle(x, stride, side / 2) : x;
    int terms = x.c * side * side, *from = take(terms), k = 0;
    for (int i = 0; i < x.c; i++)
        for (int v = 0; v < side; v++)
            for (int u = 0; u < side; u++)
                from[k++] = ((i * stride + v % stride) * stride + u % stride) * area(in) + v / stride * in.w + u / stride;
    Matrix m = {next(c * terms), terms, 1};
    multiply(y, m, next(c), in.at, in.w, from, terms);
    top = mark;
    return y;
}

static Map linear(Map x, int c) { return conv(x, c, 1, 1); }        /* for each place by itself */

/* The same for one vector: y = W x + b. */
static float *dense(const float *x, int from, int to)
{
    const float *w = next(from * to), *b = next(to);
    float *y = take(to);
    for (int r = 0; r < to; r++) {
        Eight s = even(0);
        EACH(k, from) s += AT(w + r * from + k) * AT(x + k);
        y[r] = b[r] + sum(s);
    }
    return y;
}

/* GroupNorm; where there is a film, times 1 + film[c], plus film[C + c]. */
static Map norm(Map x, const float *film)
{
    const float *scale = next(x.c), *shift = next(x.c);
    Map y = map(x.c, x.h, x.w);
    int channels = x.c / GROUPS, n = channels * area(x);
    for (int g = 0; g < GROUPS; g++) {
        const float *group = x.at + g * n;
        Eight all = even(0), squares = even(0);
        EACH(i, n) all += AT(group + i);
        float mean = sum(all) / n;
        EACH(i, n) squares += (AT(group + i) - mean) * (AT(group + i) - mean);
        float narrow = 1 / __builtin_sqrtf(sum(squares) / n + 1e-5f);
        for (int c = g * channels; c < (g + 1) * channels; c++) {
            float a = scale[c] * narrow, b = shift[c] - mean * a;
            if (film) a *= 1 + film[c], b = b * (1 + film[c]) + film[x.c + c];
            EACH(i, area(x)) AT(y.at + c * area(x) + i) = a * AT(x.at + c * area(x) + i) + b;
        }
    }
    return y;
}

/* softmax(q k^T / sqrt(d)) v, a head at a time: each place of q asks the first `answers` places of k and v. */
static Map attend(Map q, const float *k, const float *v, int step, int answers)
{
    Map y = map(q.c, q.h, q.w);
    float *mark = top;
    int n = area(q), *from = take(HEAD > answers ? HEAD : answers);
    for (int i = 0; i < HEAD || i < answers; i++) from[i] = i * n;
    Map share = map(answers, 1, n);
    for (int first = 0; first < q.c; first += HEAD) {
        Map out = {HEAD, 1, n, y.at + first * n};
        multiply(share, (Matrix){k + first * step, 1, step}, 0, q.at + first * n, 0, from, HEAD);
        EACH(i, n) {
            Eight most = AT(share.at + i), all = even(0);
            for (int j = 1; j < answers; j++) most = __builtin_elementwise_max(most, AT(share.at + j * n + i));
            for (int j = 0; j < answers; j++)
                all += AT(share.at + j * n + i) = power((AT(share.at + j * n + i) - most) * (1 / __builtin_sqrtf(HEAD)));
            for (int j = 0; j < answers; j++) AT(share.at + j * n + i) /= all;
        }
        multiply(out, (Matrix){v + first * step, step, 1}, 0, share.at, 0, from, answers);
    }
    top = mark;
    return y;
}

/* ---- The wish: conditioning.py, networks/text.py ------------------------------------------------------------------ */

/* What every block is told. words: a column each, of which the first `said` count, the beginning among them. */
typedef struct { Map words; int said; float *vector; } Told;

/* LayerNorm: each word by itself. */
static Map layer_norm(Map x)
{
    const float *scale = next(x.c), *shift = next(x.c);
    Map y = map(x.c, x.h, x.w);
    EACH(i, x.w) {
        Eight mean = even(0), squares = even(0);
        for (int c = 0; c < x.c; c++) mean += AT(x.at + c * x.w + i);
        mean /= even(x.c);
        for (int c = 0; c < x.c; c++) squares += (AT(x.at + c * x.w + i) - mean) * (AT(x.at + c * x.w + i) - mean);
        Eight wide = __builtin_elementwise_sqrt(squares / even(x.c) + 1e-5f);
        for (int c = 0; c < x.c; c++) AT(y.at + c * x.w + i) = (AT(x.at + c * x.w + i) - mean) / wide * scale[c] + shift[c];
    }
    return y;
}

static float *column(Map x, int i)
{
    float *y = take(x.c);
    for (int c = 0; c < x.c; c++) y[c] = x.at[c * x.w + i];
    return y;
}

/* A text: word numbers in, a vector a word out; word 0 is the beginning, which stands for the whole. */
static Told read(int said)
{
    int D = net.wish;
    Map x = map(D, 1, (said + 8) & ~7);                             /* room for whole eights; what is over is never asked */
    const float *positions = next((net.words + 1) * D), *table = next(net.rows * D);
    for (int i = 0; i < x.w; i++)
        for (int c = 0; c < D; c++)
            x.at[c * x.w + i] = i > said ? 0 : table[(i ? wish[i - 1] : 0) * D + c] + positions[i * D + c];
    said++;
    for (int layer = 0; layer < net.layers; layer++) {
        Map qkv = linear(layer_norm(x), 3 * D), q = {D, 1, x.w, qkv.at};
        add(x, linear(attend(q, q.at + D * x.w, q.at + 2 * D * x.w, x.w, said), D));
        add(x, linear(silu(linear(layer_norm(x), 2 * D)), D));
    }
    x = layer_norm(x);
    return (Told){x, said, column(x, 0)};
}

/* Attributes: the rows of a table, summed; then a small MLP. */
static Told look_up(int said)
{
    int D = net.wish;
    const float *table = next(net.rows * D);
    Map x = map(D, 1, 1);
    for (int c = 0; c < D; c++) x.at[c] = 0;
    for (int i = 0; i < said; i++)
        for (int c = 0; c < D; c++) x.at[c] += table[wish[i] * D + c];
    Map h = {D, 1, 1, dense(x.at, D, D)};
    return (Told){.vector = dense(silu(h).at, D, D)};
}

/* ---- The network: networks/layers.py, networks/unet.py ------------------------------------------------------------ */

/* How noisy the picture is: waves of many lengths over log-SNR, then a small MLP. */
static Map noise(float log_snr)
{
    float *x = take(2 * net.waves);
    for (int i = 0; i < net.waves; i++) {
        float angle = log_snr * (float)(math_exp(math_log(80) * i / (net.waves - 1)) / 20);   /* 1/20 to 4 radians a nat */
        x[i] = math_sin(angle), x[net.waves + i] = math_cos(angle);
    }
    Map h = {net.embedding, 1, 1, dense(x, 2 * net.waves, net.embedding)};
    return (Map){net.embedding, 1, 1, dense(silu(h).at, net.embedding, net.embedding)};
}

static Told embed(int said, float log_snr)
{
    Told told = {0};
    if (net.wish) told = net.layers ? read(said) : look_up(said);
    Map h = noise(log_snr);
    if (net.wish) add(h, (Map){net.embedding, 1, 1, dense(told.vector, net.wish, net.embedding)});
    told.vector = silu(h).at;
    return told;
}

static Map block(Map x, Told told)
{
    float *film = dense(told.vector, net.embedding, 2 * x.c);
    Map h = conv(silu(norm(x, 0)), x.c, 3, 1);
    return conv(silu(norm(h, film)), x.c, 3, 1);
}

static Map look_around(Map x)                                       /* SelfAttention */
{
    Map qkv = linear(norm(x, 0), 3 * x.c), q = {x.c, x.h, x.w, qkv.at};
    return linear(attend(q, q.at + x.c * area(x), q.at + 2 * x.c * area(x), area(x), area(x)), x.c);
}

static Map look_at_words(Map x, Told told)                          /* CrossAttention */
{
    Map q = linear(norm(x, 0), x.c), kv = linear(told.words, 2 * x.c);
    return linear(attend(q, kv.at, kv.at + x.c * kv.w, kv.w, told.said), x.c);
}

/* Where each place lies: two channels, from -1 at the top and on the left to 1. */
static Map places(int h, int w)
{
    Map x = map(2, h, w);
    for (int i = 0; i < h; i++)
        for (int j = 0; j < w; j++) x.at[i * w + j] = 2.0f * i / (h - 1) - 1, x.at[(h + i) * w + j] = 2.0f * j / (w - 1) - 1;
    return x;
}

/* x + what each part has to add; what the parts took on the desk is cleared away. */
static Map stage(Map x, Told told, int attends, int reads)
{
    Map y = copy(x);
    float *mark = top;
    add(y, block(y, told)), top = mark;
    if (attends) add(y, look_around(y)), top = mark;
    if (reads) add(y, look_at_words(y, told)), top = mark;
    return y;
}

static Map unet(Map x, Told told)
{
    Map seen[DEPTH];
    int n = 0, last = net.levels - 1;
    Map thin = conv(net.places ? cat(x, places(x.h, x.w)) : x, net.stem, 3, 1);
    Map h = linear(unshuffle(thin, net.patch, 0), net.width[0]);
    for (int i = 0; i <= last; i++) {
        if (i) h = conv(h, net.width[i], 3, 2);
        for (int b = 0; b < net.blocks[i]; b++) h = seen[n++] = stage(h, told, net.attends[i], net.reads[i]);
    }
    h = stage(h, told, 1, net.reads[last]);
    h = stage(h, told, 0, net.reads[last]);
    for (int i = last; i >= 0; i--) {
        for (int b = 0; b < net.blocks[i]; b++) {
            h = linear(cat(h, seen[--n]), net.width[i]);
            h = stage(h, told, net.attends[i], net.reads[i]);
        }
        if (i) h = conv(twice(linear(h, net.width[i - 1])), net.width[i - 1], 3, 1);
    }
    Map full = shuffle(linear(silu(norm(h, 0)), net.stem * net.patch * net.patch), net.patch);
    return conv(silu(conv(cat(full, thin), net.stem, 3, 1)), net.channels, 3, 1);
}

/* ---- The judge: networks/classifier.py --------------------------------------------------------------------------- */

static Map residual(Map x)
{
    Map h = conv(silu(norm(x, 0)), x.c, 3, 1);
    return add(x, conv(silu(norm(h, 0)), x.c, 3, 1));
}

/* Three times halved, looked at as a whole, and all questions answered from that: a number for each possible answer. */
static Map judge(Map x)
{
    for (int i = 0; i < 3; i++) x = residual(i ? conv(x, 2 * net.stem, 3, 2) : conv(x, net.stem, 5, 2));
    x = silu(norm(x, 0));
    Map seen = {net.embedding, 1, 1, dense(x.at, x.c * area(x), net.embedding)};
    return (Map){net.rows, 1, 1, dense(silu(seen).at, net.embedding, net.rows)};
}

/* ---- What JavaScript calls: shape, load, unfold, and then answer, as often as it likes ------------------------------ */

EXPORT("shape") void *shape(void) { return &net; }                  /* where the shape is to be written */

EXPORT("load") void *load(int floats) { return weights = take(count = floats); }    /* where the float16 weights are */

/* float16 to float32, from the end, so that none is overwritten before it was read. */
EXPORT("unfold") void unfold(void)
{
    const unsigned short *half = (unsigned short *)weights;
    for (int i = count - 1; i >= 0; i--) {
        union { unsigned bits; float number; } x = {(half[i] & 0x7fff) << 13};
        x.number *= 0x1p112f;                                       /* its exponent counts from another zero */
        x.bits |= (half[i] & 0x8000) << 16;
        weights[i] = x.number;
    }
    picture = take(net.channels * net.size * net.size);
    wish = take(net.rows + net.words);
    desk = top;
}

EXPORT("picture") float *where_the_picture_lies(void) { return picture; }
EXPORT("wish") int *where_the_wish_lies(void) { return wish; }      /* rows of the table: of attributes, or of words */

/* The network's answer to the picture; 0 where the weights are not those of this shape. A judge is a network without levels. */
EXPORT("answer") float *answer(int said, float log_snr)
{
    top = desk, scroll = weights;
    Map x = {net.channels, net.size, net.size, picture}, y = net.levels ? unet(x, embed(said, log_snr)) : judge(x);
    return scroll == weights + count ? y.at : 0;
}
