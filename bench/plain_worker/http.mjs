// fetch with what each call needs. Node keeps its connections alive by itself.
const { SUPABASE_URL, SUPABASE_SERVICE_KEY } = process.env;

const OURS = { apikey: SUPABASE_SERVICE_KEY, authorization: `Bearer ${SUPABASE_SERVICE_KEY}` };

/** The answer, whatever its content. Throws on a status that is not 2xx. */
export async function request(url, options = {}) {
  const response = await fetch(url, options);
  if (!response.ok) {
    throw new Error(`${options.method ?? "GET"} ${url}: ${response.status} ${await response.text()}`);
  }
  return response;
}

/** A request whose body, if any, and answer are JSON. */
export async function json(url, { body, headers, ...options } = {}) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const type = body === undefined ? {} : { "content-type": "application/json" };
  const response = await request(url, { ...options, ...sent, headers: { ...type, ...headers } });
  return response.json();
}

/** A file from anywhere, whole in memory. */
export async function download(url) {
  const response = await request(url);
  return { bytes: await response.arrayBuffer(), type: response.headers.get("content-type") };
}

/** Rows of a table, by PostgREST's filters. */
export function select(table, filters) {
  return json(`${SUPABASE_URL}/rest/v1/${table}?${new URLSearchParams(filters)}`, { headers: OURS });
}

/** Set columns of the rows that the filters choose. */
export async function update(table, filters, values) {
  const response = await request(`${SUPABASE_URL}/rest/v1/${table}?${new URLSearchParams(filters)}`, {
    method: "PATCH",
    headers: { ...OURS, "content-type": "application/json", prefer: "return=minimal" },
    body: JSON.stringify(values),
  });
  await response.arrayBuffer(); // to the end, so that the connection is free again
}

/** Store an object, in place of one that is there; its public address. */
export async function upload(bucket, path, { bytes, type }) {
  const headers = { ...OURS, "content-type": type, "cache-control": "max-age=0", "x-upsert": "true" };
  const address = `${SUPABASE_URL}/storage/v1/object/${bucket}/${path}`;
  const response = await request(address, { method: "POST", headers, body: bytes });
  await response.arrayBuffer();
  return `${SUPABASE_URL}/storage/v1/object/public/${bucket}/${path}`;
}
