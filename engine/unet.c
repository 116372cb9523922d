/* The book's network, whole, in C: what runs in the page when a reader asks for
   a picture.

   Everything is a `Map`: channels of h x w places, float32, channels first, as
   in Python; words are a map of one row. The weights are a scroll, written in
   the order in which one answer asks for them: each layer reads on where the one
   before it stopped, so no weight needs a name here. The functions stand in the
   order in which they need each other; from `stage` on this is
   diffusion_lib/networks/unet.py, line by line.

   Nearly all the time is spent in `multiply`. There is no library below this
   file, not even C's own: memory is one row of floats that fills from the left,
   and sin, cos, exp and log are JavaScript's. */

/* Eight places at once: two registers of WebAssembly. */
typedef float Eight __attribute__((vector_size(32), aligned(4)));
typedef int Whole __attribute__((vector_size(32), aligned(4)));
typedef struct { int c, h, w; float *at; } Map;

#define EXPORT(name) __attribute__((export_name(name)))
#define MATH(name) \
    extern double math_##name(double) \
    __attribute__((import_module("Math"), import_name(#name)))
MATH(sin);
MATH(cos);
MATH(exp);
MATH(log);

/* HEAD: channels of one head of attention. ROWS: `multiply` does them at once. */
enum { LEVELS = 8, DEPTH = 64, GROUPS = 8, HEAD = 32, ROWS = 4 };

/* The shape of the network: whole numbers, in the order in which
   diffusion_lib/engine writes them. */
static struct {
    int channels, size;                     /* the picture */
    int stem, patch, places;                /* the way in; told where places lie? */
    int embedding, waves;                   /* what blocks are told: length, waves */
    int wish, rows, words, layers;          /* its width, its table, its reader */
    int levels, width[LEVELS], blocks[LEVELS], attends[LEVELS], reads[LEVELS];
} net;

/* ---- Memory -------------------------------------------------------------- */

/* A row of floats that fills from the left; setting `top` back empties it. */
extern float __heap_base;
static float *top = &__heap_base, *weights, *scroll, *desk, *picture, *looks;
static int count, *wish;

static void *take(int floats)
{
    float *taken = top;
    top += (floats + 15) & ~15;                             /* whole cache lines */
    int missing = (int)top / 65536 + 1 - __builtin_wasm_memory_size(0);
    if (missing > 0 && (int)__builtin_wasm_memory_grow(0, missing) < 0)
        __builtin_trap();
    return taken;
}

/* The next weights of the scroll. */
static const float *next(int floats) { return (scroll += floats) - floats; }

static Map map(int c, int h, int w) { return (Map){c, h, w, take(c * h * w)}; }

static Map vector(int c, float *at) { return (Map){c, 1, 1, at}; }

static int area(Map x) { return x.h * x.w; }

static void lay(float *to, const float *from, int floats)
{
    __builtin_memcpy(to, from, floats * sizeof *to);
}

static Map copy(Map x)
{
    Map y = map(x.c, x.h, x.w);
    lay(y.at, x.at, x.c * area(x));
    return y;
}

/* ---- Arithmetic, eight places at a time ---------------------------------- */

#define EACH(i, n) for (int i = 0; i < (n); i += 8)
#define AT(pointer) (*(Eight *)(pointer))

static Eight even(float x) { return (Eight){x, x, x, x, x, x, x, x}; }

static float sum(Eight x)
{
    return x[0] + x[1] + x[2] + x[3] + x[4] + x[5] + x[6] + x[7];
}

static Eight larger(Eight x, Eight y) { return __builtin_elementwise_max(x, y); }
static Eight smaller(Eight x, Eight y) { return __builtin_elementwise_min(x, y); }

/* e^x = 2^n e^r with a whole n, and r so small (|r| < 0.35) that seven terms of
   the series do. 2^n is written as it is: n + 127 into the bits of the exponent. */
static Eight power(Eight x)
{
    x = larger(smaller(x, even(87)), even(-87));
    Eight n = __builtin_elementwise_roundeven(x * 1.44269504f);     /* x / ln 2 */
    Eight r = x - n * 0.69314718f;
    Eight after_2 = 1 + r / 3 * (1 + r / 4 * (1 + r / 5 * (1 + r / 6)));
    Eight series = 1 + r * (1 + r / 2 * after_2);
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

   Every product of maps is this one. In a convolution k counts the places of its
   little window, and `from` says where each of them begins in `in`, whose rows are
   `step` long. The sums of 4 rows x 8 places stay in registers (for more rows there
   are too few of these). */
static void multiply(Map out, Matrix m, const float *bias,
                     const float *in, int step, const int *from, int terms)
{
    for (int r = 0; r < out.c; r += ROWS) {
        int row[ROWS];
        for (int j = 0; j < ROWS; j++)
            row[j] = r + j < out.c ? r + j : out.c - 1;
        for (int y = 0; y < out.h; y++)
            EACH(x, out.w) {
                const float *place = in + y * step + x;
                Eight to[ROWS];
                for (int j = 0; j < ROWS; j++)
                    to[j] = even(bias ? bias[row[j]] : 0);
                for (int k = 0; k < terms; k++) {
                    const float *weight = m.at + k * m.column;
                    Eight seen = AT(place + from[k]);
                    for (int j = 0; j < ROWS; j++) to[j] += weight[row[j] * m.row] * seen;
                }
                for (int j = 0; j < ROWS; j++) {
                    float *at = out.at + row[j] * area(out) + y * out.w + x;
                    if (out.w > 4) AT(at) = to[j];
                    else lay(at, (float *)&to[j], 4);   /* the judge's last maps */
                }
            }
    }
}

/* ---- Layers -------------------------------------------------------------- */

/* Squares of side x side places into channels, after a margin of zeros was laid
   around the map. */
static Map unshuffle(Map x, int side, int margin)
{
    int h = (x.h + 2 * margin) / side, w = (x.w + 2 * margin) / side;
    Map y = map(x.c * side * side, h, w);
    if (margin) __builtin_memset(y.at, 0, y.c * area(y) * sizeof *y.at);
    for (int c = 0; c < x.c; c++)
        for (int i = 0; i < x.h; i++) {
            const float *from = x.at + c * area(x) + i * x.w;
            int row = i + margin, channel = (c * side + row % side) * side;
            float *to = y.at + channel * area(y) + row / side * w;
            if (side == 1) lay(to + margin, from, x.w);
            else for (int j = margin; j < x.w + margin; j++)
                to[j % side * area(y) + j / side] = from[j - margin];
        }
    return y;
}

/* And back. */
static Map shuffle(Map x, int side)
{
    Map y = map(x.c / (side * side), x.h * side, x.w * side);
    for (int c = 0; c < y.c; c++)
        for (int i = 0; i < y.h; i++)
            for (int j = 0; j < y.w; j++) {
                int channel = (c * side + i % side) * side + j % side;
                const float *from = x.at + channel * area(x) + i / side * x.w;
                y.at[c * area(y) + i * y.w + j] = from[j / side];
            }
    return y;
}

/* Each place four times. */
static Map twice(Map x)
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

/* A convolution to c channels; windows of side x side places, `stride` apart. */
static Map conv(Map x, int c, int side, int stride)
{
    Map y = map(c, x.h / stride, x.w / stride);
    float *mark = top;
    Map in = side > 1 ? unshuffle(x, stride, side / 2) : x;
    int terms = x.c * side * side, *from = take(terms), k = 0;
    for (int i = 0; i < x.c; i++)
        for (int v = 0; v < side; v++)
            for (int u = 0; u < side; u++) {
                int channel = (i * stride + v % stride) * stride + u % stride;
                from[k++] = channel * area(in) + v / stride * in.w + u / stride;
            }
    Matrix m = {next(c * terms), terms, 1};
    multiply(y, m, next(c), in.at, in.w, from, terms);
    top = mark;
    return y;
}

/* For each place by itself. */
static Map linear(Map x, int c) { return conv(x, c, 1, 1); }

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
        EACH(i, n) {
            Eight off = AT(group + i) - mean;
            squares += off * off;
        }
        float narrow = 1 / __builtin_sqrtf(sum(squares) / n + 1e-5f);
        for (int c = g * channels; c < (g + 1) * channels; c++) {
            float a = scale[c] * narrow, b = shift[c] - mean * a;
            if (film) a *= 1 + film[c], b = b * (1 + film[c]) + film[x.c + c];
            const float *from = x.at + c * area(x);
            float *to = y.at + c * area(x);
            EACH(i, area(x)) AT(to + i) = a * AT(from + i) + b;
        }
    }
    return y;
}

/* softmax(q k^T / sqrt(d)) v, a head at a time: each place of q asks the first
   `answers` places of k and v, whose channels lie `step` apart. kept: where the
   shares are to be laid for others to see, or 0. */
static Map attend(Map q, const float *k, const float *v, int step, int answers,
                  float *kept)
{
    Map y = map(q.c, q.h, q.w);
    float *mark = top;
    int n = area(q), *from = take(HEAD > answers ? HEAD : answers);
    for (int i = 0; i < HEAD || i < answers; i++) from[i] = i * n;
    Map share = map(answers, 1, n);
    for (int first = 0; first < q.c; first += HEAD) {
        Matrix keys = {k + first * step, 1, step};
        Matrix values = {v + first * step, step, 1};
        Map out = {HEAD, 1, n, y.at + first * n};
        multiply(share, keys, 0, q.at + first * n, 0, from, HEAD);
        EACH(i, n) {
            float *score = share.at + i;
            Eight most = AT(score), all = even(0);
            for (int j = 1; j < answers; j++)
                most = larger(most, AT(score + j * n));
            for (int j = 0; j < answers; j++) {
                Eight below = AT(score + j * n) - most;
                all += AT(score + j * n) = power(below * (1 / __builtin_sqrtf(HEAD)));
            }
            for (int j = 0; j < answers; j++) AT(score + j * n) /= all;
        }
        if (kept) lay(kept + first / HEAD * answers * n, share.at, answers * n);
        multiply(out, values, 0, share.at, 0, from, answers);
    }
    top = mark;
    return y;
}

/* ---- The wish: conditioning.py, networks/text.py ------------------------- */

/* What every block is told. words: a column each, of which the first `said` count,
   the beginning among them. */
typedef struct { Map words; int said; float *vector; } Told;

/* LayerNorm: each word by itself, eight words at a time. */
static Map layer_norm(Map x)
{
    const float *scale = next(x.c), *shift = next(x.c);
    Map y = map(x.c, x.h, x.w);
    EACH(i, x.w) {
        const float *from = x.at + i;
        Eight mean = even(0), squares = even(0);
        for (int c = 0; c < x.c; c++) mean += AT(from + c * x.w);
        mean /= even(x.c);
        for (int c = 0; c < x.c; c++) {
            Eight off = AT(from + c * x.w) - mean;
            squares += off * off;
        }
        Eight wide = __builtin_elementwise_sqrt(squares / even(x.c) + 1e-5f);
        for (int c = 0; c < x.c; c++) {
            Eight narrow = (AT(from + c * x.w) - mean) / wide;
            AT(y.at + c * x.w + i) = narrow * scale[c] + shift[c];
        }
    }
    return y;
}

static float *column(Map x, int i)
{
    float *y = take(x.c);
    for (int c = 0; c < x.c; c++) y[c] = x.at[c * x.w + i];
    return y;
}

/* A text: word numbers in, a vector a word out; word 0 is the beginning, which
   stands for the whole. There is room for whole eights; what is over is never
   asked. */
static Told read(int said)
{
    int D = net.wish;
    Map x = map(D, 1, (said + 8) & ~7);
    const float *positions = next((net.words + 1) * D), *table = next(net.rows * D);
    for (int i = 0; i < x.w; i++) {
        const float *position = positions + i * D;
        const float *word = table + (0 < i && i <= said ? wish[i - 1] : 0) * D;
        for (int c = 0; c < D; c++)
            x.at[c * x.w + i] = i > said ? 0 : word[c] + position[c];
    }
    said++;
    for (int layer = 0; layer < net.layers; layer++) {
        Map qkv = linear(layer_norm(x), 3 * D), q = {D, 1, x.w, qkv.at};
        float *k = qkv.at + D * x.w, *v = k + D * x.w;
        add(x, linear(attend(q, k, v, x.w, said, 0), D));
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
    Map h = vector(D, dense(x.at, D, D));
    return (Told){.vector = dense(silu(h).at, D, D)};
}

/* ---- The network: networks/layers.py, networks/unet.py ------------------- */

/* How noisy the picture is: waves of many lengths over log-SNR (1/20 to 4 radians a
   nat), then a small MLP. */
static Map noise(float log_snr)
{
    float *x = take(2 * net.waves);
    for (int i = 0; i < net.waves; i++) {
        double times = math_exp(math_log(80) * i / (net.waves - 1));
        float angle = log_snr * (float)(times / 20);
        x[i] = math_sin(angle), x[net.waves + i] = math_cos(angle);
    }
    Map h = vector(net.embedding, dense(x, 2 * net.waves, net.embedding));
    return vector(net.embedding, dense(silu(h).at, net.embedding, net.embedding));
}

static Told embed(int said, float log_snr)
{
    Told told = {0};
    if (net.wish) told = net.layers ? read(said) : look_up(said);
    Map h = noise(log_snr);
    if (net.wish)
        add(h, vector(net.embedding, dense(told.vector, net.wish, net.embedding)));
    told.vector = silu(h).at;
    return told;
}

static Map block(Map x, Told told)
{
    float *film = dense(told.vector, net.embedding, 2 * x.c);
    Map h = conv(silu(norm(x, 0)), x.c, 3, 1);
    return conv(silu(norm(h, film)), x.c, 3, 1);
}

/* SelfAttention. */
static Map look_around(Map x)
{
    Map qkv = linear(norm(x, 0), 3 * x.c), q = {x.c, x.h, x.w, qkv.at};
    float *k = qkv.at + x.c * area(x), *v = k + x.c * area(x);
    return linear(attend(q, k, v, area(x), area(x), 0), x.c);
}

/* CrossAttention. Somebody may watch where it looks: then the shares of each head
   lie behind those of the block before, a row of places for each word. */
static Map look_at_words(Map x, Told told)
{
    Map q = linear(norm(x, 0), x.c), kv = linear(told.words, 2 * x.c);
    float *k = kv.at, *v = k + x.c * kv.w, *kept = looks;
    if (kept) looks += x.c / HEAD * told.said * area(x);
    return linear(attend(q, k, v, kv.w, told.said, kept), x.c);
}

/* Where each place lies: two channels, from -1 at the top and on the left to 1. */
static Map places(int h, int w)
{
    Map x = map(2, h, w);
    for (int i = 0; i < h; i++)
        for (int j = 0; j < w; j++) {
            x.at[i * w + j] = 2.0f * i / (h - 1) - 1;
            x.at[(h + i) * w + j] = 2.0f * j / (w - 1) - 1;
        }
    return x;
}

/* x + what each part has to add; what the parts took on the desk is cleared. */
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
        for (int b = 0; b < net.blocks[i]; b++)
            h = seen[n++] = stage(h, told, net.attends[i], net.reads[i]);
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
    Map folded = linear(silu(norm(h, 0)), net.stem * net.patch * net.patch);
    Map full = shuffle(folded, net.patch);
    return conv(silu(conv(cat(full, thin), net.stem, 3, 1)), net.channels, 3, 1);
}

/* ---- The judge: networks/classifier.py ----------------------------------- */

static Map residual(Map x)
{
    Map h = conv(silu(norm(x, 0)), x.c, 3, 1);
    return add(x, conv(silu(norm(h, 0)), x.c, 3, 1));
}

/* Three times halved, looked at as a whole, and all questions answered from that: a
   number for each possible answer. */
static Map judge(Map x)
{
    for (int i = 0; i < 3; i++)
        x = residual(i ? conv(x, 2 * net.stem, 3, 2) : conv(x, net.stem, 5, 2));
    x = silu(norm(x, 0));
    Map seen = vector(net.embedding, dense(x.at, x.c * area(x), net.embedding));
    return vector(net.rows, dense(silu(seen).at, net.embedding, net.rows));
}

/* ---- What JavaScript calls ----------------------------------------------- */

/* `shape`, `load` and `unfold` once, and then `answer` as often as it likes. First:
   where the shape is to be written, and where the float16 weights. */
EXPORT("shape") void *shape(void) { return &net; }

EXPORT("load") void *load(int floats) { return weights = take(count = floats); }

/* float16 to float32, from the end, so that none is overwritten unread. */
EXPORT("unfold") void unfold(void)
{
    const unsigned short *half = (unsigned short *)weights;
    for (int i = count - 1; i >= 0; i--) {
        union { unsigned bits; float number; } x = {(half[i] & 0x7fff) << 13};
        x.number *= 0x1p112f;           /* its exponent counts from another zero */
        x.bits |= (half[i] & 0x8000) << 16;
        weights[i] = x.number;
    }
    picture = take(net.channels * net.size * net.size);
    wish = take(net.rows + net.words);
    desk = top;
}

/* Where the picture lies, and the wish: rows of its table. After an answer, where
   the looks lie that it kept: first on the desk. */
EXPORT("picture") float *where_the_picture_lies(void) { return picture; }
EXPORT("wish") int *where_the_wish_lies(void) { return wish; }
EXPORT("looks") float *where_the_looks_lie(void) { return desk; }

/* The network's answer to the picture; 0 where the weights are not those of this
   shape. kept: room for all looks at the words, in floats, or 0 if nobody watches.
   A judge is a network without levels. */
EXPORT("answer") float *answer(int said, float log_snr, int kept)
{
    top = desk, scroll = weights;
    looks = kept ? take(kept) : 0;
    Map x = {net.channels, net.size, net.size, picture};
    Map y = net.levels ? unet(x, embed(said, log_snr)) : judge(x);
    return scroll == weights + count ? y.at : 0;
}
