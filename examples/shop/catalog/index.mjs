import http from "node:http";

export const handler = async (event) => {
  const via = event.queryStringParameters?.via ?? "";
  const [next, ...rest] = via.split(",").filter(Boolean);
  if (rest.length > 7) return { statusCode: 400, body: "via has more than 8 hops" };
  const chain = [{ component: process.env.TEAL_COMPONENT, version: process.env.TEAL_VERSION }];
  if (next) chain.push(...(await call(next, rest)));
  return {
    statusCode: 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ chain, versions: [...new Set(chain.map((link) => link.version))].sort() }),
  };
};

// Asks a sibling. Its address leads to the version that this code belongs to.
function call(component, rest) {
  const base = process.env["TEAL_URL_" + component.toUpperCase().replaceAll("-", "_")];
  const url = `${base}/?via=${encodeURIComponent(rest.join(","))}`;
  return new Promise((resolve, reject) => {
    http.get(url, { agent: false, timeout: 10_000 }, async (response) => {
      try {
        let body = "";
        for await (const chunk of response) body += chunk;
        if (response.statusCode !== 200) throw new Error(`${component} answered ${response.statusCode}: ${body}`);
        resolve(JSON.parse(body).chain);
      } catch (error) {
        reject(error);
      }
    }).on("timeout", function () { this.destroy(new Error(`${component} did not answer`)); }).on("error", reject);
  });
}
