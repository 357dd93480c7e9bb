import { OPERATIONS } from "./growth.ts";
import { FLOWS, HABITS, totalOf } from "./model.ts";
import { svgChart } from "./svg-chart.ts";
import type { Findings } from "./tables.ts";

const SERVERS = {
  title: "servers in the domain",
  scale: "log",
  ticks: [10, 30, 100, 300, 1_000, 3_000, 10_000],
  from: 10,
  to: 10_000,
} as const;
const MEMBERS = {
  title: "members (all running the production core)",
  scale: "log",
  ticks: [3, 10, 30, 100, 300, 1_000],
  from: 3,
  to: 1_000,
} as const;

/** The findings as charts: file names without their ending, and SVG. */
export function chartsOf({ growth, hotKeys, placements, storm, loads }: Findings): Readonly<Record<string, string>> {
  const byUsers = `${HABITS.usersPerServer.toLocaleString("en-GB")} users a server, busy hour, T = 10 s, all servers vote`;
  const perSecond = (value: number) => value / (storm.sliceMs / 1_000);
  return {
    "cost-of-operations": svgChart({
      title: "Frames of one operation, by members",
      subtitle: "measured; the group has five replicas from five members on",
      x: MEMBERS,
      y: { title: "frames between servers", scale: "linear" },
      series: OPERATIONS.map((operation) => ({
        name: operation,
        // It takes as many as a claim, and would hide it.
        dashed: operation === "watch",
        points: growth.map(({ servers, costs }) => [servers, costs[operation].frames] as const),
      })),
    }),
    "processor-time": svgChart({
      title: "Processor time of one operation, by members",
      subtitle: "measured: core and codec, all servers together",
      x: MEMBERS,
      y: { title: "µs", scale: "linear" },
      series: OPERATIONS.map((operation) => ({
        name: operation,
        points: growth.map(({ servers, costs }) => [servers, costs[operation].cpuMicros] as const),
      })),
    }),
    "frames-per-server": svgChart({
      title: "What one server sends, by servers in the domain",
      subtitle: byUsers,
      x: SERVERS,
      y: { title: "frames a second", scale: "log", from: 1, to: 100_000 },
      series: [
        ...FLOWS.map((name) => ({
          name,
          points: loads.map(({ servers, flows }) => [servers, flows[name].framesPerSecond] as const),
        })),
        {
          name: "together",
          points: loads.map((load) => [load.servers, totalOf(load).framesPerSecond] as const),
          dashed: true,
        },
      ],
    }),
    "memory-per-server": svgChart({
      title: "Heap and roster of one server",
      subtitle: byUsers,
      x: SERVERS,
      y: { title: "MB", scale: "log", from: 0.001, to: 1_000 },
      series: [
        {
          name: "heap of the directory",
          points: loads.map(({ servers, heapBytes }) => [servers, heapBytes / 1e6] as const),
        },
        {
          name: "signed roster",
          points: loads.map(({ servers, rosterBytes }) => [servers, rosterBytes / 1e6] as const),
        },
      ],
    }),
    placement: svgChart({
      title: "How evenly registers lie on servers",
      subtitle: "real SHA-256 of real peer ids; multiples of the mean",
      x: SERVERS,
      y: { title: "registers / mean", scale: "linear", from: 0, to: 4, ticks: [0, 1, 2, 3, 4] },
      series: [
        { name: "fullest server", points: placements.map(({ servers, fullest }) => [servers, fullest] as const) },
        { name: "99 of 100 below", points: placements.map(({ servers, p99 }) => [servers, p99] as const) },
        { name: "emptiest server", points: placements.map(({ servers, emptiest }) => [servers, emptiest] as const) },
      ],
    }),
    "hot-key": svgChart({
      title: "One move of a user whom every server watches",
      subtitle: "measured",
      x: MEMBERS,
      y: { title: "frames with notices", scale: "log" },
      series: [
        { name: "all replicas", points: hotKeys.map(({ servers, notices }) => [servers, notices] as const) },
        { name: "the busiest replica", points: hotKeys.map(({ servers, fromOne }) => [servers, fromOne] as const) },
      ],
    }),
    storm: svgChart({
      title: `One of ${storm.servers} servers dies with ${storm.users.toLocaleString("en-GB")} users`,
      subtitle: `all servers together; clients come back within ${storm.returnMs / 1_000} s; the lease runs out after 10 s`,
      x: { title: "seconds after the death", scale: "linear", from: 0, to: 35, ticks: [0, 5, 10, 15, 20, 25, 30, 35] },
      y: { title: "a second", scale: "log", from: 10 },
      dots: false,
      series: [
        {
          name: "frames of the directory",
          points: storm.slices.map(({ fromMs, frames }) => [fromMs / 1_000, Math.max(10, perSecond(frames))] as const),
        },
        {
          name: "users come back",
          points: storm.slices.map(
            ({ fromMs, returned }) => [fromMs / 1_000, Math.max(10, perSecond(returned))] as const,
          ),
        },
        {
          name: "claims granted",
          points: storm.slices.map(
            ({ fromMs, claimed }) => [fromMs / 1_000, Math.max(10, perSecond(claimed))] as const,
          ),
        },
        {
          name: "watchers told “nobody”",
          points: storm.slices.map(
            ({ fromMs, toldNobody }) => [fromMs / 1_000, Math.max(10, perSecond(toldNobody))] as const,
          ),
        },
      ],
    }),
  };
}
