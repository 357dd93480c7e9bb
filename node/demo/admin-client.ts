import { request } from "node:http";

const timeoutMs = 5000;

/** Reads from the admin API of a running server. @throws {Error} when it does not answer, or refuses */
export function readAdmin<T>(socketPath: string, path: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, timeout: timeoutMs, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk) => (body += chunk));
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(JSON.parse(body) as T);
        else reject(new Error(`${path} was answered ${response.statusCode}: ${body}`));
      });
    });
    sent.on("timeout", () => sent.destroy(new Error(`${path} was not answered within ${timeoutMs} ms.`)));
    sent.on("error", reject);
    sent.end();
  });
}
