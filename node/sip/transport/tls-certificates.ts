import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { SecureContext, TlsOptions } from "node:tls";
import { createSecureContext } from "node:tls";
import { assert, ConfigurationError } from "../../runtime/errors.ts";
import { limits } from "../../runtime/limits.ts";

/** Where a certificate is, PEM: the server's own first, then those that lead to its authority. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

interface Loaded {
  readonly leaf: X509Certificate;
  readonly context: SecureContext;
  readonly options: TlsOptions;
}

/** RFC 8996 forbids what is older. */
const MIN_VERSION = "TLSv1.2";

/**
 * The certificates of a node's TLS and WSS listeners. A client that names a host (SNI) gets the first that is for it, any
 * other the first of all. {@link TlsCertificates.load} can be called again while the listeners are up: connections made
 * from then on see the new ones.
 * @see RFC 5922 §7; RFC 6066 §3
 */
export class TlsCertificates {
  readonly #files: readonly CertificateFiles[];
  readonly #authoritiesFile: string | undefined;
  readonly #onLoaded = new Set<() => void>();
  #loaded: readonly Loaded[] = [];
  #authorities: Buffer | undefined;

  /**
   * @param files at least one
   * @param authorities file of certificates, PEM, that other servers' have to lead to. @default those that Node trusts
   */
  constructor(files: readonly CertificateFiles[], authorities?: string) {
    this.#files = files;
    this.#authoritiesFile = authorities;
  }

  /**
   * Reads all files; when one is unusable, nothing changes.
   * @throws {ConfigurationError} `CERTIFICATE_UNREADABLE`, `KEY_UNREADABLE`, `KEY_OF_OTHER_CERTIFICATE`
   */
  load(): void {
    const loaded = this.#files.map(readCertificate);
    const authorities = this.#authoritiesFile;
    this.#authorities = authorities === undefined ? undefined : readPem(authorities).cert;
    this.#loaded = loaded;
    for (const listener of this.#onLoaded) listener();
  }

  /** When the first of them runs out, wall clock; infinite when none is loaded. */
  get expiresAtMs(): number {
    return Math.min(...this.#loaded.map(({ leaf }) => Date.parse(leaf.validTo)));
  }

  /** What a listener is made with. */
  serverOptions(): TlsOptions {
    return {
      ...this.#default().options,
      handshakeTimeout: limits.sip.partialMessageMs,
      SNICallback: (name, callback) => callback(null, this.#contextFor(name)),
    };
  }

  /** Tells a listener, which then has to take {@link TlsCertificates.defaultOptions}, of new certificates. Returns how to stop it. */
  onLoaded(listener: () => void): () => void {
    this.#onLoaded.add(listener);
    return () => this.#onLoaded.delete(listener);
  }

  /** What a connection to another server is made with. @see RFC 5922 §7.2 */
  clientOptions(): Pick<TlsOptions, "ca" | "minVersion"> {
    return { minVersion: MIN_VERSION, ...(this.#authorities === undefined ? undefined : { ca: this.#authorities }) };
  }

  /** For clients that name no host. */
  defaultOptions(): TlsOptions {
    return this.#default().options;
  }

  #default(): Loaded {
    assert(this.#loaded[0] !== undefined, "certificates are used before they are loaded");
    return this.#loaded[0];
  }

  #contextFor(name: string): SecureContext {
    const isFor = ({ leaf }: Loaded): boolean =>
      (isIP(name) === 0 ? leaf.checkHost(name) : leaf.checkIP(name)) !== undefined;
    return (this.#loaded.find(isFor) ?? this.#default()).context;
  }
}

function readCertificate({ certificate, key }: CertificateFiles): Loaded {
  const { cert, leaf } = readPem(certificate);
  const { keyText, privateKey } = attempt("KEY_UNREADABLE", `no private key (PEM) can be read from ${key}`, () => {
    const text = readFileSync(key);
    // RFC 7468 §11, RFC 1421 §4.6.1.1: what OpenSSL says of these is that nobody has typed anything.
    if (/^(?:-----BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED)/m.test(text.toString("latin1")))
      throw new Error(
        "it is encrypted, and nobody is there to give a passphrase; `openssl pkey` makes one that is not",
      );
    return { keyText: text, privateKey: createPrivateKey(text) };
  });
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new ConfigurationError(
      "KEY_OF_OTHER_CERTIFICATE",
      `the private key in ${key} does not belong to the certificate in ${certificate}`,
    );
  }
  const options: TlsOptions = { cert, key: keyText, minVersion: MIN_VERSION };
  const context = attempt("CERTIFICATE_UNREADABLE", `the certificate in ${certificate} cannot be used`, () =>
    createSecureContext(options),
  );
  return { leaf, context, options };
}

function readPem(file: string): { readonly cert: Buffer; readonly leaf: X509Certificate } {
  return attempt("CERTIFICATE_UNREADABLE", `no certificate (PEM) can be read from ${file}`, () => {
    const cert = readFileSync(file);
    return { cert, leaf: new X509Certificate(cert) };
  });
}

function attempt<T>(code: string, what: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw new ConfigurationError(code, `${what}: ${(cause as Error).message}`, { cause });
  }
}
