// The data of the report as objects: in the page names stand once, and rows are lists (report/payload.py).

/** The same with names instead of numbers, in objects. */
export function unpacked(data) {
  return { ...data, sides: data.sides.map((side) => ({ ...side, runs: side.runs.map((run) => unpackedRun(run, side.names)) })) };
}

function unpackedRun(run, names) {
  return {
    ...run,
    phases: run.phases.map(([name, depth, begin, end, detail]) => ({ name: names[name], depth, begin, end, detail: names[detail] })),
    imports: run.imports.map(([name, depth, begin, end, self, file, part]) => ({ name: names[name], depth, begin, end, self, file: names[file], package: names[part] })),
    reads: run.reads.map(([path, at, busy, times]) => ({ path: names[path], at, busy, times })),
  };
}
