// Preloaded into a command that another process has started and answers for: it ends as that one does. A node whose launcher was killed by
// SIGKILL, which cannot be passed on, would otherwise go on with nobody who knows its process.
process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
process.channel?.unref();
