// Tokens of an image: their places in words, the next one by an arrow key, and what some of them look like.

export function placeWords({ columns }, token) {
  return `row ${Math.floor(token / columns)}, column ${token % columns}`;
}

/** The token to which an arrow key leads; undefined for another key. */
export function neighbourOf({ rows, columns }, token, key) {
  const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key] ?? [];
  if (down === undefined) return undefined;
  const row = Math.min(rows - 1, Math.max(0, Math.floor(token / columns) + down));
  const column = Math.min(columns - 1, Math.max(0, (token % columns) + right));
  return row * columns + column;
}

/** What the tokens that are seen look like together: ": row 3", ": a cross", ... */
export function shapeWords({ rows, columns, tokens }, at, seen) {
  const [row, column] = [Math.floor(at / columns), at % columns];
  const places = [...seen.keys()]
    .filter((token) => seen[token] > 0)
    .map((token) => [Math.floor(token / columns), token % columns]);
  const [rs, cs] = [0, 1].map((k) => places.map((place) => place[k]));
  const [top, bottom, left, right] = [Math.min(...rs), Math.max(...rs), Math.min(...cs), Math.max(...cs)];
  const onCross = places.filter(([r, c]) => r === row || c === column).length;
  if (places.length === 1) return seen[at] > 0 ? ": itself" : `: row ${top}, column ${left}`;
  if (places.length === onCross && onCross === rows + columns - 1 && rows > 1 && columns > 1)
    return `: a cross, row ${row} and column ${column}`;
  if (places.length < tokens) {
    const [height, width] = [bottom - top + 1, right - left + 1];
    if (places.length !== height * width) return "";
    if (width === 1 && height === rows) return `: column ${left}`;
    if (height === 1 && width === columns) return `: row ${top}`;
    return `: rows ${top} to ${bottom}, columns ${left} to ${right}`;
  }
  const total = seen.reduce((a, b) => a + b, 0);
  const cross = seen.reduce(
    (sum, strength, token) => sum + (Math.floor(token / columns) === row || token % columns === column ? strength : 0),
    0,
  );
  return `; its row and column have ${Math.round((100 * cross) / total)} % of all the strength`;
}
