// One thing at a time: what waits goes by urgency, and what nobody wants any more is not begun.

export function createLine() {
  const waiting = [];
  let busy = false;

  async function next() {
    if (busy) return;
    waiting.sort((a, b) => a.urgency - b.urgency);
    const job = waiting.shift();
    if (!job) return;
    busy = true;
    try {
      job.check();
      job.resolve(await job.work(job.check));
    } catch (error) {
      job.reject(error);
    } finally {
      busy = false;
      next();
    }
  }

  return {
    /** @param cancelled () => true once nobody waits for it */
    run(work, urgency, cancelled) {
      const check = () => {
        if (cancelled()) throw new DOMException("Cancelled", "AbortError");
      };
      return new Promise((resolve, reject) => {
        waiting.push({ work, urgency, check, resolve, reject });
        next();
      });
    },
  };
}
