// Programs to begin with.

/**
 * @typedef {object} Example
 * @property {string} name in links; never to be changed
 * @property {string} title
 * @property {number[]} shape of x
 * @property {string} axes their names, a letter each
 * @property {string} code
 */

/** @param {Example} example @returns {import("./playground.js").Program} */
export const ofExample = ({ code, shape, axes }) => ({
  code,
  shape: shape.join(", "),
  axes,
  values: "numbered",
  map: "",
  same: "",
  kept: "",
});

/** @type {Example[]} */
export const EXAMPLES = [
  {
    name: "windows",
    title: "Swin: windows, and back",
    shape: [1, 4, 4, 2],
    axes: "BHWC",
    code: `B, H, W, C = x.shape
s = 2  # the side of a window

# into windows
x = x.reshape(B, H // s, s, W // s, s, C)
x = x.permute(0, 1, 3, 2, 4, 5)  # leave this line out, and look
x = x.reshape(-1, s * s, C)

# and back
x = x.reshape(B, H // s, W // s, s, s, C)
x = x.permute(0, 1, 3, 2, 4, 5)
x = x.reshape(B, H, W, C)
`,
  },
  {
    name: "height",
    title: "ViP: the height branch",
    shape: [1, 4, 4, 8],
    axes: "BHWC",
    code: `B, H, W, C = x.shape
N = H  # segments, as many as rows and columns
S = C // N
x = x.reshape(B, H, W, N, S)
x = x.permute(0, 3, 2, 1, 4)
x = x.reshape(B, N, W, H * S)
x = F.linear(x, torch.ones(C, C))
x = x.reshape(B, N, W, H, S)
x = x.permute(0, 3, 2, 1, 4)
x = x.reshape(B, H, W, C)
`,
  },
  {
    name: "width",
    title: "ViP: the width branch",
    shape: [1, 4, 4, 8],
    axes: "BHWC",
    code: `B, H, W, C = x.shape
N = H  # segments, as many as rows and columns
S = C // N
x = x.reshape(B, H, W, N, S)
x = x.permute(0, 1, 3, 2, 4)
x = x.reshape(B, H, N, W * S)
x = F.linear(x, torch.ones(C, C))
x = x.reshape(B, H, N, W, S)
x = x.permute(0, 1, 3, 2, 4)
x = x.reshape(B, H, W, C)
`,
  },
  {
    name: "channel",
    title: "ViP: the channel branch",
    shape: [1, 4, 4, 8],
    axes: "BHWC",
    code: `B, H, W, C = x.shape
x = F.linear(x, torch.ones(C, C))
`,
  },
  {
    name: "heads",
    title: "Attention: into heads, right",
    shape: [1, 4, 6],
    axes: "BNC",
    code: `B, N, C = x.shape
heads = 2
x = x.reshape(B, N, heads, C // heads)
x = x.transpose(1, 2)
a = (x @ x.mT).softmax(dim=-1)
x = (a @ x).transpose(1, 2).reshape(B, N, C)
`,
  },
  {
    name: "heads-wrong",
    title: "Attention: into heads, wrong",
    shape: [1, 4, 6],
    axes: "BNC",
    code: `B, N, C = x.shape
heads = 2
# It runs: but a head gets whole tokens, and no part of each.
x = x.reshape(B, heads, N, C // heads)
a = (x @ x.mT).softmax(dim=-1)
x = (a @ x).transpose(1, 2).reshape(B, N, C)
`,
  },
  {
    name: "patches",
    title: "ViT: patches",
    shape: [1, 3, 4, 4],
    axes: "BCHW",
    code: `B, C, H, W = x.shape
p = 2
x = x.unfold(2, p, p).unfold(3, p, p)
x = x.permute(0, 2, 3, 1, 4, 5)
x = x.reshape(B, (H // p) * (W // p), C * p * p)
`,
  },
  {
    name: "pixel-shuffle",
    title: "Pixel shuffle, by hand",
    shape: [1, 8, 2, 2],
    axes: "BCHW",
    code: `B, C, H, W = x.shape
r = 2
y = x.reshape(B, C // r**2, r, r, H, W)
y = y.permute(0, 1, 4, 2, 5, 3)
y = y.reshape(B, C // r**2, H * r, W * r)
z = F.pixel_shuffle(x, r)  # the same
`,
  },
  {
    name: "channel-shuffle",
    title: "ShuffleNet: channel shuffle",
    shape: [1, 6, 2, 2],
    axes: "BCHW",
    code: `B, C, H, W = x.shape
groups = 3
x = x.view(B, groups, C // groups, H, W)
x = x.transpose(1, 2).contiguous()
x = x.view(B, C, H, W)
`,
  },
  {
    name: "maxvit",
    title: "MaxViT: its two partitions",
    shape: [1, 4, 4, 2],
    axes: "BHWC",
    code: `B, H, W, C = x.shape
p = 2
# blocks: neighbours
block = x.reshape(B, H // p, p, W // p, p, C)
block = block.permute(0, 1, 3, 2, 4, 5).reshape(-1, p * p, C)
# a grid: tokens that lie far apart
grid = x.reshape(B, p, H // p, p, W // p, C)
grid = grid.permute(0, 2, 4, 1, 3, 5).reshape(-1, p * p, C)
both = torch.stack([block, grid])
`,
  },
  {
    name: "relative-shift",
    title: "Transformer-XL: the relative shift",
    shape: [1, 2, 4, 4],
    axes: "BHQK",
    code: `B, H, Q, K = x.shape
x = F.pad(x, (1, 0))
x = x.reshape(B, H, K + 1, Q)
x = x[:, :, 1:]
x = x.reshape(B, H, Q, K)
`,
  },
  {
    name: "exchanged",
    title: "H and W exchanged by a reshape",
    shape: [1, 4, 6, 1],
    axes: "BHWC",
    code: `B, H, W, C = x.shape
# A reshape to (W, H) turns nothing: it only cuts the rows elsewhere.
wrong = x.reshape(B, W, H, C)
right = x.transpose(1, 2)
both = torch.stack([wrong, right])
`,
  },
  {
    name: "einops",
    title: "einops: a height branch in one line",
    shape: [1, 4, 4, 4],
    axes: "BHWC",
    code: `x = rearrange(x, "b h w (n s) -> b n w (h s)", n=2)
x = rearrange(x, "b n w (h s) -> b h w (n s)", s=2)
`,
  },
];
