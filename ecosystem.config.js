// PM2: the worker of this checkout, with the packages of its .venv (`make setup`).
//   pm2 start ecosystem.config.js · pm2 scale vidfab-worker 3 · pm2 reload vidfab-worker
//   pm2 logs vidfab-worker · pm2 stop vidfab-worker · pm2 save && pm2 startup
// Values to set: those of .env.example, in .env.local beside this file.
const path = require('node:path')

module.exports = {
  apps: [
    {
      name: 'vidfab-worker',
      script: 'worker.py',
      // Absolute: PM2 looks for a relative one from where it is called, not from `cwd`.
      interpreter: path.join(__dirname, '.venv/bin/python'),
      cwd: __dirname,
      exec_mode: 'fork',
      instances: 1,
      // `start`, `scale` and `reload` go on to the next worker when this one waits for jobs.
      wait_ready: true,
      listen_timeout: 30000,
      // No `time`: it would put a date in front of LOG_FORMAT=json, which has its own. One log file
      // an instance (no `merge_logs`), to see which worker said what.
      // SIGKILL comes this long after SIGINT. A worker needs up to 5 s more than SHUTDOWN_GRACE_S
      // to hand back and close; PM2 goes on as soon as it has ended, so room costs no time.
      kill_timeout: 30000,
      // Without growing pauses PM2 gives up after 16 quick failures: a Redis that is away for
      // some seconds would leave the worker stopped.
      exp_backoff_restart_delay: 500,
      // Of the worker itself, 65 MB when idle; ffmpeg beside it is not counted. Over it, a worker
      // is stopped like any other: its jobs are handed back.
      max_memory_restart: '1G',
      env: {
        PYTHONUNBUFFERED: '1',
        NODE_ENV: 'production',
        // Here and not in .env.local, since the time to SIGKILL must be 5 s longer: a picture takes
        // about 15 s, and one that is stopped halfway is paid for twice.
        SHUTDOWN_GRACE_S: process.env.SHUTDOWN_GRACE_S || '25',
      },
    },
  ],
}
