// download_video in the plain way: the whole video in memory, then one upload; progress by the chunk.
//
// Reads SUPABASE_URL and SUPABASE_SERVICE_KEY; NODE_EXTRA_CA_CERTS must hold the media host's CA.
import "./test_hosts.mjs";

const { SUPABASE_URL, SUPABASE_SERVICE_KEY } = process.env;

export async function downloadVideo(job) {
  const { userId, videoId, originalUrl } = job.data;
  const body = await downloaded(originalUrl, job);
  const path = `videos/${userId}/${videoId}.mp4`;
  const response = await fetch(`${SUPABASE_URL}/storage/v1/object/user-videos/${path}`, {
    method: "POST",
    headers: {
      apikey: SUPABASE_SERVICE_KEY,
      authorization: `Bearer ${SUPABASE_SERVICE_KEY}`,
      "content-type": "video/mp4",
      "x-upsert": "true",
    },
    body,
  });
  if (!response.ok) throw new Error(`upload: ${response.status} ${await response.text()}`);
  return { downloaded: true, path, fileSize: body.byteLength };
}

async function downloaded(url, job) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`download: ${response.status}`);
  const total = Number(response.headers.get("content-length"));
  let seen = 0;
  const counting = new TransformStream({
    async transform(chunk, controller) {
      seen += chunk.byteLength;
      const done = seen / total;
      await job.updateProgress({ percent: Math.round(10 + 80 * done), message: `Downloading... ${done}%` });
      controller.enqueue(chunk);
    },
  });
  return new Response(response.body.pipeThrough(counting)).arrayBuffer();
}
