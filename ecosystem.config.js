// pm2 start ecosystem.config.js; pm2 scale vidfab-worker 3
module.exports = {
  apps: [
    {
      name: 'vidfab-worker',
      script: 'worker.py',
      interpreter: '.venv/bin/python',
      cwd: __dirname,
      exec_mode: 'fork',
      instances: 1,
      // Above SHUTDOWN_GRACE_S (4 s) and the few seconds that handing back and closing may take.
      kill_timeout: 10000,
      max_memory_restart: '1G',
      env: { PYTHONUNBUFFERED: '1', NODE_ENV: 'production' },
    },
  ],
}
