// Where each element of a tensor is drawn: nested blocks.  The last two axes are the
// cells of a block; the axes before them lay out the blocks.

const LONGEST_LINE = 64; // a tensor with one axis is wrapped like text
const GAPS = [0, 4, 9];

/**
 * @param {number[]} shape
 * @param {number} cellWidth
 * @param {number} cellHeight
 * @param {number[]} gaps between cells, between blocks, and between blocks of blocks
 * @param {number} columns how many blocks of the outermost axis stand side by side
 * @returns {{width: number, height: number, rowLength: number, place: (k: number) => [number, number]}}
 */
export function arrange(shape, cellWidth, cellHeight, gaps = GAPS, columns = 1) {
  let sizes = shape.map((size) => size);
  const rowLength = sizes.length ? sizes[sizes.length - 1] : 1;
  if (sizes.filter((n) => n > 1).length <= 1) {
    const n = sizes.reduce((product, size) => product * size, 1);
    sizes = n > LONGEST_LINE ? [Math.ceil(n / LONGEST_LINE), LONGEST_LINE] : [n];
  }
  const drawn = sizes.filter((n) => n > 1).length;
  const extent = { x: cellWidth, y: cellHeight };
  const steps = new Array(sizes.length);
  let seen = 0;
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    if (sizes[axis] === 1) {
      steps[axis] = ["x", 0];
      continue;
    }
    // Axes alternate, across and down, from the inside out; an odd one out goes down.
    const across = seen % 2 === 0 && !(seen === drawn - 1 && drawn > 1);
    const direction = across ? "x" : "y";
    const gap = gaps[Math.min(2, Math.floor(seen / 2))];
    steps[axis] = [direction, extent[direction] + gap];
    if (++seen === drawn && drawn > 2 && columns > 1) {
      steps[axis] = ["wrapped", extent.x + gaps[2], extent.y + gap];
      extent.x = columns * (extent.x + gaps[2]) - gaps[2];
      extent.y = Math.ceil(sizes[axis] / columns) * (extent.y + gap) - gap;
    } else extent[direction] = sizes[axis] * (extent[direction] + gap) - gap;
  }
  const placeOf = (k) => {
    const at = { x: 0, y: 0 };
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      const [direction, step, down] = steps[axis];
      const c = k % sizes[axis];
      if (direction === "wrapped") {
        at.x += (c % columns) * step;
        at.y += Math.floor(c / columns) * down;
      } else at[direction] += c * step;
      k = Math.floor(k / sizes[axis]);
    }
    return [at.x, at.y];
  };
  const places = []; // every frame of a move asks for all of them
  const place = (k) => (places[k] ??= placeOf(k));
  return { width: extent.x, height: extent.y, rowLength, place };
}

/**
 * The largest cell with which every one of `shapes` fits into a box.
 * @returns {{width: number, height: number}}
 */
export function fitCell(shapes, boxWidth, boxHeight, largest, gaps = GAPS, columns = 1) {
  let { width, height } = largest;
  for (const shape of shapes) {
    const between = arrange(shape, 0, 0, gaps, columns);
    const cells = arrange(shape, 1, 1, gaps, columns);
    width = Math.min(width, (boxWidth - between.width) / (cells.width - between.width));
    height = Math.min(height, (boxHeight - between.height) / (cells.height - between.height));
  }
  const whole = (n) => (n > 3 ? Math.floor(n) : Math.max(n, 0.5));
  return { width: whole(width), height: whole(Math.min(height, width * 1.1)) };
}
