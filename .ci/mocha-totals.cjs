// Mocha's "spec" report, with the totals as the last line: "N passed, N failed".
const { reporters, Runner } = require("mocha");

const { EVENT_RUN_END, EVENT_TEST_FAIL } = Runner.constants;
const usualLingerMs = 5000;

/** Also fails a run that leaves something open: a socket or timer that keeps the process alive is a leak of ours. */
module.exports = class Totals extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const lingerMs = Number(options.reporterOptions?.lingerMs ?? usualLingerMs);
    let failedHooks = 0;
    runner.on(EVENT_TEST_FAIL, (test) => {
      if (test.type === "hook") failedHooks++;
    });
    runner.once(EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      let leaks = 0;
      // Registered after Mocha's own exit handler, which sets the exit code from its failures alone.
      setImmediate(() =>
        process.on("exit", () => {
          if (leaks > 0) process.exitCode = 1;
          if (pending > 0) console.log(`  ${pending} skipped`);
          if (failedHooks > 0)
            console.log(`  ${failedHooks} of the failures are of hooks: tests behind them did not run`);
          console.log(`${passes} passed, ${failures + leaks} failed`);
        }),
      );
      setTimeout(() => {
        const open = process.getActiveResourcesInfo().filter((name) => !name.startsWith("TTY") && name !== "PipeWrap");
        console.log(`  still open ${lingerMs / 1000} s after the last test: ${open.join(", ")}`);
        leaks = 1;
        process.exit(1);
      }, lingerMs).unref();
    });
  }
};
