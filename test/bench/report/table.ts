/**
 * A table with its titles in the first row, as columns of equal width or as markdown; all but the first columns and the last are
 * numbers, which go to the right.
 * @param texts how many columns at the left are texts
 */
export function table(rows: readonly (readonly string[])[], markdown: boolean, texts = 2): string {
  const [titles = []] = rows;
  const widths = titles.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isNumber = (column: number) => column >= texts && column < widths.length - 1;
  if (markdown) {
    const rule = widths.map((_, column) => (isNumber(column) ? "--:" : "---"));
    const lines = [titles, rule, ...rows.slice(1)];
    return lines.map((row) => `| ${row.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`).join("\n");
  }
  return rows
    .map((row) =>
      row
        .map((text, column) =>
          isNumber(column) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
