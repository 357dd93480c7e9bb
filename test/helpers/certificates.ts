import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "selfsigned";
import type { CertificateFiles } from "../../node/sip/transport/tls-certificates.ts";

/** A certificate that stands for itself, and the key of it. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate for names and IP addresses. */
export async function certificateFor(
  names: readonly string[],
  addresses: readonly string[] = [],
): Promise<TestCertificate> {
  const { cert, private: key } = await generate([{ name: "commonName", value: names[0] ?? "localhost" }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      {
        name: "subjectAltName",
        altNames: [
          ...names.map((value) => ({ type: 2 as const, value })),
          ...addresses.map((ip) => ({ type: 7 as const, ip })),
        ],
      },
    ],
  });
  return { cert, key };
}

/** A folder for certificates, removed when the tests end. */
export class CertificateFolder {
  readonly path = mkdtempSync(join(tmpdir(), "aorta-tls-"));

  constructor() {
    process.once("exit", () => this.remove());
  }

  /** Writes `name.pem` and `name.key`. */
  write(name: string, { cert, key }: TestCertificate): CertificateFiles {
    const files = { certificate: join(this.path, `${name}.pem`), key: join(this.path, `${name}.key`) };
    writeFileSync(files.certificate, cert);
    writeFileSync(files.key, key, { mode: 0o600 });
    return files;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

let loopback: Promise<{ readonly files: CertificateFiles; readonly cert: string }> | undefined;

/** The certificate of every test server on loopback, made once. */
export function loopbackCertificate(): Promise<{ readonly files: CertificateFiles; readonly cert: string }> {
  loopback ??= certificateFor(["localhost", "sip.example.com"], ["127.0.0.1", "::1"]).then((made) => ({
    files: new CertificateFolder().write("loopback", made),
    cert: made.cert,
  }));
  return loopback;
}
