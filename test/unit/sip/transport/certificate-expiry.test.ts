import { expect } from "chai";
import type { Logger } from "../../../../node/runtime/logger.ts";
import { silentLogger } from "../../../../node/runtime/logger.ts";
import { limits } from "../../../../node/runtime/limits.ts";
import { CertificateExpiry } from "../../../../node/sip/transport/certificate-expiry.ts";
import { VirtualTime } from "../../../helpers/virtual-time.ts";

const DAY_MS = 24 * 3600_000;

describe("the end of a certificate", () => {
  const setUp = (leftMs: number) => {
    const time = new VirtualTime();
    const lines: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      warn: (_fields: object, text?: string) => void lines.push(`warn ${text}`),
      error: (_fields: object, text?: string) => void lines.push(`error ${text}`),
    };
    const certificates = { expiresAtMs: time.wallMs() + leftMs };
    return {
      time,
      lines,
      certificates,
      expiry: new CertificateExpiry({ certificates, clock: time, timers: time, logger }),
    };
  };

  it("is told in the log as it comes near, every day, also of a node that is never started again", async () => {
    const { time, lines, expiry } = setUp(limits.sip.certificateWarningMs + DAY_MS / 2);
    expiry.start();
    expect(lines).to.deep.equal([]);
    await time.advance(DAY_MS);
    expect(lines).to.deep.equal(["warn a TLS certificate expires soon"]);
    await time.advance(14 * DAY_MS);
    expect(lines.at(-1)).to.equal("error a TLS certificate has expired: clients will refuse it");
    expect(lines).to.have.length(15);
    expiry.stop();
    await time.advance(2 * DAY_MS);
    expect(lines).to.have.length(15);
  });

  it("is not told of where there is another by then, or none at all", async () => {
    const { time, lines, certificates, expiry } = setUp(DAY_MS / 2);
    certificates.expiresAtMs = time.wallMs() + 90 * DAY_MS;
    expiry.start();
    certificates.expiresAtMs = Number.POSITIVE_INFINITY;
    expiry.start();
    await time.advance(100 * DAY_MS);
    expect(lines).to.deep.equal([]);
    expiry.stop();
  });
});
