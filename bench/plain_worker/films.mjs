// va_compose_video: orders the film from Shotstack, asks until it is there, and stores it.
import { setTimeout as sleep } from "node:timers/promises";
import { download, json, select, update, upload } from "./http.mjs";

const { SHOTSTACK_API_URL, SHOTSTACK_API_KEY } = process.env;
const POLL_MS = 5_000;
const POLLS = 180;
const DEFAULT_SECONDS = 5;

export async function composeVideo(job) {
  const { projectId } = job.data;
  const progress = (percent, message) => job.updateProgress({ percent, message });
  const row = { id: `eq.${projectId}` };
  const ofProject = { project_id: `eq.${projectId}`, order: "shot_number" };

  await progress(5, "Loading project...");
  const [project] = await select("video_agent_projects", row);
  if (project?.step_4_status !== "completed") throw new Error("Videos not ready");
  await progress(10, "Loading clips...");
  const [clips, shots] = await Promise.all([
    select("project_video_clips", { ...ofProject, status: "eq.success" }),
    select("project_shots", ofProject),
  ]);
  await update("video_agent_projects", row, { status: "processing", step_6_status: "processing" });

  const timeline = timelineOf(clips, shots);
  await progress(40, "Submitting Shotstack render...");
  const render = await rendered(timeline, project.aspect_ratio);
  const { bytes } = await download(render.url);
  await progress(90, "Uploading final video to permanent storage...");
  const storageKey = `videos/${project.user_id}/video-agent/${projectId}/final.mp4`;
  const url = await upload("user-videos", storageKey, { bytes, type: "video/mp4" });
  const video = { url, fileSize: bytes.byteLength, resolution: "1920x1080", duration: render.duration, storageKey };
  await progress(95, "Saving final video metadata...");
  await update("video_agent_projects", row, finalColumns(video));
  const [saved] = await select("video_agent_projects", { ...row, select: "final_video_url" });
  if (saved?.final_video_url !== url) throw new Error("The final video was not saved");
  await progress(100, "Compose completed");
  return { composed: true, estimatedDuration: timeline.reduce((sum, clip) => sum + clip.length, 0), video };
}

function timelineOf(clips, shots) {
  const seconds = new Map(shots.map((shot) => [shot.shot_number, shot.duration_seconds]));
  let start = 0;
  return clips.map((clip) => {
    const length = seconds.get(clip.shot_number) ?? DEFAULT_SECONDS;
    const src = clip.cdn_url ?? clip.video_url_external ?? clip.video_url;
    const placed = { asset: { type: "video", src }, start, length };
    start += length;
    return placed;
  });
}

async function rendered(clips, aspectRatio) {
  const headers = { "x-api-key": SHOTSTACK_API_KEY };
  const destinations = [{ provider: "shotstack", exclude: true }];
  const output = { format: "mp4", resolution: "1080", aspectRatio: aspectRatio ?? "16:9", destinations };
  const body = { timeline: { tracks: [{ clips }] }, output };
  const ordered = await json(`${SHOTSTACK_API_URL}/render`, { method: "POST", headers, body });
  for (let poll = 0; poll < POLLS; poll += 1) {
    const { response } = await json(`${SHOTSTACK_API_URL}/render/${ordered.response.id}`, { headers });
    if (response.status === "done") return response;
    if (response.status === "failed") throw new Error(`Render failed: ${response.error}`);
    await sleep(POLL_MS);
  }
  throw new Error("The render takes too long");
}

function finalColumns(video) {
  return {
    status: "completed",
    step_6_status: "completed",
    final_video_url: video.url,
    final_video_storage_path: video.storageKey,
    final_video_file_size: video.fileSize,
    final_video_resolution: video.resolution,
    completed_at: new Date().toISOString(),
  };
}
