// va_sync_video_status: asks for all clips at once; each one's download is added as its row is written.
import { json, select, update } from "./http.mjs";

const { BYTEPLUS_ARK_BASE_URL, BYTEPLUS_API_KEY } = process.env;
const FINAL = new Set(["success", "failed"]);

export async function syncVideoStatus(job, queue) {
  const { projectId } = job.data;
  const ofProject = { project_id: `eq.${projectId}` };
  await job.updateProgress({ percent: 5, message: "Loading clips..." });
  const clips = await select("project_video_clips", { ...ofProject, status: "eq.generating" });
  await job.updateProgress({ percent: 10, message: `Syncing ${clips.length} generating clips...` });

  let synced = 0;
  let updated = 0;
  async function sync(clip) {
    if (await settle(clip, job.data, queue)) updated += 1;
    synced += 1;
    const percent = Math.round(10 + (synced * 85) / clips.length);
    await job.updateProgress({ percent, message: `Synced ${synced}/${clips.length}` });
  }
  await Promise.all(clips.map(sync));

  const all = await select("project_video_clips", { ...ofProject, select: "status" });
  if (all.length > 0 && all.every((clip) => FINAL.has(clip.status))) {
    await update("video_agent_projects", { id: `eq.${projectId}` }, { step_4_status: "completed" });
  }
  await job.updateProgress({ percent: 100, message: "Sync completed" });
  return { synced: true, updated };
}

/** Whether the clip has ended. */
async function settle(clip, data, queue) {
  const task = await json(`${BYTEPLUS_ARK_BASE_URL}/contents/generations/tasks/${clip.seedance_task_id}`, {
    headers: { authorization: `Bearer ${BYTEPLUS_API_KEY}` },
  });
  const row = { id: `eq.${clip.id}` };
  if (task.status === "succeeded") {
    const { video_url: url, last_frame_url: frame } = task.content;
    await update("project_video_clips", row, {
      status: "success",
      video_url: url,
      video_url_external: url,
      last_frame_url: frame ?? null,
      storage_status: "pending",
    });
    await addDownload(queue, data, clip, url);
    return true;
  }
  if (["failed", "cancelled", "expired"].includes(task.status)) {
    await update("project_video_clips", row, { status: "failed", error_message: "The clip could not be made." });
    return true;
  }
  return false;
}

function addDownload(queue, { userId, projectId }, clip, url) {
  const jobId = `va_clip_download_${projectId}_${clip.shot_number}_${clip.seedance_task_id}`;
  const data = {
    jobId,
    userId,
    videoId: projectId,
    projectId,
    shotNumber: clip.shot_number,
    externalUrl: url,
    createdAt: new Date().toISOString(),
  };
  return queue.add("video_clip_download", data, {
    jobId,
    priority: 3,
    attempts: 6,
    backoff: { type: "exponential", delay: 10_000 },
    removeOnComplete: 50,
    removeOnFail: 20,
  });
}
