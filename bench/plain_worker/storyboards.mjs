// storyboard_generation: three pictures at a time, each written and its download added as it comes.
import { json, select, update } from "./http.mjs";

const { BYTEPLUS_ARK_BASE_URL, BYTEPLUS_API_KEY } = process.env;
const AT_ONCE = Number(process.env.STORYBOARD_CONCURRENCY ?? 3);
const MODEL = "seedream-5-0-260128";
const SIZES = { "16:9": "2848x1600", "9:16": "1600x2848" };

export async function generateStoryboards(job, queue) {
  const { projectId, shots } = job.data;
  const total = shots.length;
  const counts = { completed: 0, failed: 0 };
  const progress = (percent, message) =>
    job.updateProgress({ percent, message, processed: counts.completed, total });
  const share = () => Math.round(((counts.completed + counts.failed) / total) * 90);

  await progress(0, "开始生成分镜图...");
  const rows = await select("project_storyboards", { project_id: `eq.${projectId}`, is_current: "is.true" });
  const rowOf = new Map(rows.map((row) => [row.shot_number, row]));

  async function generate(shot) {
    const row = rowOf.get(shot.shot_number);
    await progress(share(), `正在生成第 ${shot.shot_number} 张分镜...`);
    try {
      const url = await buy(shot, job.data);
      await update("project_storyboards", { id: `eq.${row.id}` }, {
        status: "success",
        image_url: url,
        image_url_external: url,
        storage_status: "pending",
        used_character_ids: [],
      });
      await addDownload(queue, job.data, row, url);
      counts.completed += 1;
    } catch (error) {
      await update("project_storyboards", { id: `eq.${row.id}` }, { status: "failed", error_message: error.message });
      counts.failed += 1;
    }
    await progress(share(), `已完成 ${counts.completed + counts.failed}/${total} 张分镜`);
  }

  const waiting = [...shots];
  const lane = async () => {
    while (waiting.length > 0) await generate(waiting.shift());
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));

  await progress(95, "正在更新项目状态...");
  const finalStatus = counts.failed === 0 ? "completed" : counts.completed > 0 ? "partial" : "failed";
  await update("video_agent_projects", { id: `eq.${projectId}` }, { step_3_status: finalStatus });
  await progress(100, "全部分镜生成完成！");
  return { generated: true, projectId, total, ...counts, finalStatus };
}

async function buy(shot, { style, aspectRatio }) {
  const answer = await json(`${BYTEPLUS_ARK_BASE_URL}/images/generations`, {
    method: "POST",
    headers: { authorization: `Bearer ${BYTEPLUS_API_KEY}` },
    body: {
      model: MODEL,
      prompt: `${shot.description}. ${shot.character_action} Style: ${style}.`,
      size: SIZES[aspectRatio] ?? "2048x2048",
      response_format: "url",
      watermark: false,
    },
  });
  return answer.data[0].url;
}

function addDownload(queue, { userId, projectId }, row, url) {
  const jobId = `storyboard_download_${projectId}_${row.shot_number}_${row.id}`;
  const data = {
    jobId,
    userId,
    videoId: projectId,
    projectId,
    shotNumber: row.shot_number,
    storyboardId: row.id,
    externalUrl: url,
    createdAt: new Date().toISOString(),
  };
  return queue.add("storyboard_download", data, {
    jobId,
    priority: 4,
    attempts: 3,
    backoff: { type: "exponential", delay: 60_000 },
    removeOnComplete: true,
    removeOnFail: 20,
  });
}
