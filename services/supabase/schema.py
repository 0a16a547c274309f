"""The tables and columns of the app that the services read or write."""

from collections.abc import Mapping

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "users": ("uuid", "subscription_plan", "subscription_status", "subscription_period_end"),
    "user_videos": (
        "id", "user_id", "status", "storage_path", "thumbnail_path", "file_size",
        "duration_seconds", "download_progress", "error_message", "deleted_at", "original_url",
    ),
    "user_images": ("id", "user_id", "status", "file_size", "deleted_at"),
    "user_storage_quotas": ("user_id", "total_videos", "total_size_bytes"),
    "video_agent_projects": (
        "id", "user_id", "status", "step_3_status", "step_4_status", "step_6_status",
        "aspect_ratio", "transition_effect", "transition_duration", "final_video_url",
        "final_video_storage_path", "final_video_file_size", "final_video_resolution",
        "completed_at", "updated_at",
    ),
    "project_shots": (
        "id", "project_id", "shot_number", "description", "character_action", "duration_seconds",
    ),
    "project_storyboards": (
        "id", "project_id", "shot_number", "is_current", "status", "storage_status", "image_url",
        "image_url_external", "image_storage_path", "cdn_url", "file_size", "error_message",
        "used_character_ids", "created_at", "updated_at",
    ),
    "project_video_clips": (
        "id", "project_id", "shot_number", "status", "storage_status", "video_url",
        "video_url_external", "storage_path", "cdn_url", "last_frame_url", "error_message",
        "seedance_task_id", "video_request_id", "video_storage_path", "created_at", "updated_at",
    ),
}  # fmt: skip
