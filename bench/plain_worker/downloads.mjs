// storyboard_download and video_clip_download: a file into storage, and where it lies into its row.
import { download, update, upload } from "./http.mjs";

export async function storyboardDownload(job) {
  const { userId, projectId, shotNumber, storyboardId, externalUrl } = job.data;
  await job.updateProgress({ percent: 10, message: `Downloading storyboard shot ${shotNumber}...` });
  const file = await download(externalUrl);
  const path = `images/${userId}/video-agent/${projectId}/storyboards/shot-${shotNumber}-${storyboardId}.jpg`;
  const cdnUrl = await upload("user-images", path, file);
  await update("project_storyboards", { id: `eq.${storyboardId}` }, {
    image_url: cdnUrl,
    cdn_url: cdnUrl,
    image_url_external: externalUrl,
    image_storage_path: path,
    storage_status: "completed",
    file_size: file.bytes.byteLength,
  });
  return finished(job, path, cdnUrl, file);
}

export async function clipDownload(job) {
  const { userId, projectId, shotNumber, externalUrl } = job.data;
  await job.updateProgress({ percent: 10, message: `Downloading video clip shot ${shotNumber}...` });
  const { bytes } = await download(externalUrl);
  const file = { bytes, type: "video/mp4" };
  const path = `videos/${userId}/video-agent/${projectId}/clips/shot-${shotNumber}.mp4`;
  const cdnUrl = await upload("user-videos", path, file);
  const clip = { project_id: `eq.${projectId}`, shot_number: `eq.${shotNumber}` };
  await update("project_video_clips", clip, {
    video_url_external: externalUrl,
    storage_path: path,
    cdn_url: cdnUrl,
    storage_status: "completed",
  });
  return finished(job, path, cdnUrl, file);
}

async function finished(job, storagePath, cdnUrl, file) {
  const { projectId, shotNumber } = job.data;
  await job.updateProgress({ percent: 100, message: "Download completed" });
  return { downloaded: true, projectId, shotNumber, storagePath, cdnUrl, fileSize: file.bytes.byteLength };
}
