// Preloaded into a command that was handed over to another Node: it ends as its launcher does. A node whose launcher was killed by
// SIGKILL, which cannot be passed on, would otherwise go on with nobody who knows its process.
process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
process.channel?.unref();
