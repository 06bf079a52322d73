// What Python and PyTorch have and the playground has not, and what to write instead.

const NO_GRADIENTS = "Leave it out: the playground has no gradients.";
const NO_MOVE = "Leave it out: it moves nothing.";
const OWN_NUMBERS = "A layer is a product and numbers of its own: write F.linear(x, torch.randn(8, 4)), say.";
const ONE_DIM = "Write it with the axis: torch.cat([a, b], dim=1).";
const LIKE = "Give it the sizes: torch.zeros(x.shape).";

/** @type {Record<string, string>} by the name that stands in the program */
export const INSTEAD = {
  // @ts-ignore: a program may hold any name, "constructor" too
  __proto__: null,
  view_as: "x.view(other.shape) is the same.",
  reshape_as: "x.reshape(other.shape) is the same.",
  expand_as: "x.expand(other.shape) is the same.",
  ravel: "x.reshape(-1) is the same.",
  tile: "x.repeat(...) is the same, with a number for each axis.",
  broadcast_to: "x.expand(...) is the same.",
  hstack: ONE_DIM,
  vstack: ONE_DIM,
  dstack: ONE_DIM,
  hsplit: "x.split(size, dim) is there.",
  vsplit: "x.split(size, dim) is there.",
  tensor_split: "x.split(size, dim) and x.chunk(count, dim) are there.",
  fliplr: "x.flip(1) is the same.",
  flipud: "x.flip(0) is the same.",
  bmm: "x @ y is the same.",
  mm: "x @ y is the same.",
  mv: "x @ y is the same.",
  dot: "x @ y is the same.",
  baddbmm: "x @ y + z is the same.",
  tensordot: "torch.einsum is there.",
  scaled_dot_product_attention: "Write (q @ k.mT / d**0.5).softmax(-1) @ v.",
  zeros_like: LIKE,
  ones_like: LIKE,
  randn_like: LIKE,
  empty: "torch.zeros is there.",
  rand: "torch.randn is there.",
  full: "Write torch.ones(...) * value.",
  detach: NO_GRADIENTS,
  requires_grad_: NO_GRADIENTS,
  no_grad: NO_GRADIENTS,
  data: NO_GRADIENTS,
  to: NO_MOVE,
  float: NO_MOVE,
  double: NO_MOVE,
  half: NO_MOVE,
  bfloat16: NO_MOVE,
  cpu: NO_MOVE,
  cuda: NO_MOVE,
  type: NO_MOVE,
  item: NO_MOVE,
  numpy: NO_MOVE,
  tolist: NO_MOVE,
  max: "sum and mean are there.",
  amax: "sum and mean are there.",
  min: "sum and mean are there.",
  append: "Write a list as [... for i in range(n)].",
  extend: "Lists are added: a + b.",
  Linear: OWN_NUMBERS,
  Conv2d: OWN_NUMBERS,
  LayerNorm: OWN_NUMBERS,
  Module: "Paste its forward alone, as a function of x.",
  while: "Write for i in range(n).",
  class: "Paste its forward alone, as a function of x.",
  lambda: "Write a function with def.",
  with: "Leave it out: the playground has no gradients, and no devices.",
};

/** Names of PyTorch's own that lie so near to ours that they might be taken for slips of the pen. */
export const REAL = new Set(
  (
    "SUM Size Tensor Type acos addr asin atanh bilinear celu cfloat clip cosh cov ctypes device float16 float32 divide dsplit dstack elu exp2 fliplr " +
    "flipud gelu hsplit hstack hub int4 int6 isin log median min nansum new prelu rand randint random range relu6 resize rrelu rsqrt rsub selu sgn sign sinc sinh smm " +
    "softmin sort strided tan type uint64 vsplit vstack DType"
  ).split(" "),
);

/** Python's own functions that are not here. */
export const PYTHONS = new Set(
  (
    "aiter all anext any ascii bin bool breakpoint bytearray bytes callable chr classmethod compile complex delattr " +
    "dict dir divmod eval exec filter format frozenset getattr globals " +
    "hasattr hash help hex id input isinstance issubclass iter locals map memoryview next object oct open ord pow property repr " +
    "round set setattr slice sorted staticmethod str super type vars"
  ).split(" "),
);

/** What values that are no tensors can do in Python, by their type. @type {Record<string, string[]>} */
export const METHODS_OF = {
  tuple: ["count", "index"],
  "torch.Size": ["count", "index"],
  list: "append clear copy count extend index insert pop remove reverse sort".split(" "),
  int: ["bit_count", "bit_length", "conjugate", "denominator", "imag", "numerator", "real"],
  float: ["as_integer_ratio", "conjugate", "hex", "imag", "is_integer", "real"],
};

/** Arguments that operations of PyTorch take, and those of the playground do not. */
export const ARGUMENTS = new Set(
  (
    "alpha beta copy device dtype inplace indices layout memory_format non_blocking out output_size requires_grad " +
    "rounding_mode sparse_grad _stacklevel"
  ).split(" "),
);
