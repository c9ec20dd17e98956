// Drives BullMQ on Node.js for the benchmarks, as plumbing.py and bodies.py do in Python.

import dgram from "node:dgram";
import { once } from "node:events";
import fs from "node:fs";
import { createRequire } from "node:module";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

const require = createRequire(`${process.env.BENCH_NODE_MODULES}/`);
const { Queue, Worker } = require("bullmq");

const QUEUE = "bench";
const CALLERS = 50;
const PATIENCE = 30_000;
const STOP = 5000;

const tally = { count: 0, target: 0, at: 0, reached: null };
const epoch = () => performance.timeOrigin + performance.now();

let sender;
const stamp = (port, number) => {
  const now = epoch();
  sender ??= dgram.createSocket("udp4").unref();
  sender.send(`${number} ${now}`, port, "127.0.0.1");
};

const oneMore = () => {
  tally.count += 1;
  if (tally.count === tally.target) {
    tally.at = performance.now();
    tally.reached();
  }
};

const TASKS = {
  noop: async () => oneMore(),
  take: async (text) => oneMore(),
  pause: async () => {
    await sleep(1);
    oneMore();
  },
  stamp: async (port, number) => stamp(port, number),
  hold: async (path, number, seconds) => {
    fs.appendFileSync(path, `${number} ${process.pid} ${BigInt(Math.round(epoch() * 1e3)) * 1000n}\n`);
    await sleep(seconds * 1000);
  },
};

const connection = (url) => {
  const { hostname, port, pathname } = new URL(url);
  return { host: hostname, port: Number(port), db: Number(pathname.slice(1) || 0) };
};

class Driver {
  constructor(url) {
    this.connection = connection(url);
  }

  async open() {
    this.queue = new Queue(QUEUE, { connection: this.connection });
    await this.queue.waitUntilReady();
  }

  async close() {
    await this.queue.close();
  }

  enqueue(task, ...args) {
    return this.queue.add(task, args);
  }

  enqueueMany(task, calls) {
    return this.queue.addBulk(calls.map((args) => ({ name: task, data: args })));
  }

  enqueueAt(ms, task, ...args) {
    const timestamp = Date.now();
    return this.queue.add(task, args, { timestamp, delay: Math.max(0, ms - timestamp) });
  }

  async work(concurrency, until) {
    const worker = new Worker(QUEUE, (job) => TASKS[job.name](...job.data), {
      connection: this.connection,
      concurrency,
    });
    worker.on("error", (error) => console.error(error));
    await until;
    // It waits for the running tasks, however long they take.
    await Promise.race([worker.close(), sleep(STOP)]);
  }
}

async function byCallers(callers, jobs, enqueue) {
  const call = async (count) => {
    for (let done = 0; done < count; done += 1) await enqueue();
  };
  const start = performance.now();
  await Promise.all(
    Array.from({ length: callers }, (_, caller) =>
      call(Math.floor(jobs / callers) + (caller < jobs % callers ? 1 : 0)),
    ),
  );
  return (performance.now() - start) / 1000;
}

class Stamps {
  async open() {
    this.found = new Map();
    this.arrived = () => {};
    this.socket = dgram.createSocket({ type: "udp4", recvBufferSize: 1 << 21 });
    this.socket.on("message", (message) => {
      const [number, at] = message.toString().split(" ").map(Number);
      if (!this.found.has(number)) this.found.set(number, at);
      this.arrived();
    });
    this.socket.bind(0, "127.0.0.1");
    await once(this.socket, "listening");
    this.port = this.socket.address().port;
  }

  async collect(count) {
    await new Promise((resolve, reject) => {
      const patience = setTimeout(() => reject(new Error("stamps are missing")), PATIENCE);
      this.arrived = () => {
        if (this.found.size < count) return;
        clearTimeout(patience);
        resolve();
      };
      this.arrived();
    });
    const found = this.found;
    this.found = new Map();
    return found;
  }
}

async function opened(url, question) {
  const driver = new Driver(url);
  await driver.open();
  const figures = await question(driver);
  await driver.close();
  return figures;
}

function inputEnded() {
  process.stdin.resume();
  return once(process.stdin, "end");
}

const QUESTIONS = {
  fill: ({ url, jobs, task = "noop", payload = 0 }) =>
    opened(url, async (driver) => {
      const args = payload ? ["x".repeat(payload)] : [];
      for (let at = 0; at < jobs; at += 10_000) {
        await driver.enqueueMany(task, Array(Math.min(10_000, jobs - at)).fill(args));
      }
      return {};
    }),

  drain: async ({ url, jobs, concurrency }) => {
    const reached = new Promise((resolve) => Object.assign(tally, { target: jobs, reached: resolve }));
    const used = process.cpuUsage();
    const start = performance.now();
    await new Driver(url).work(concurrency, reached);
    const { user, system } = process.cpuUsage(used);
    return {
      jobs_per_second: (jobs / (tally.at - start)) * 1000,
      cpu_us: (user + system) / jobs,
      rss_mb: process.resourceUsage().maxRSS / 1024,
      jobs,
    };
  },

  enqueue: ({ url, jobs, callers }) =>
    opened(url, async (driver) => {
      await driver.enqueue("noop");
      const seconds = await byCallers(callers, jobs, () => driver.enqueue("noop"));
      return { jobs_per_second: jobs / seconds, jobs };
    }),

  enqueue_many: ({ url, jobs }) =>
    opened(url, async (driver) => {
      await driver.enqueueMany("noop", [[]]);
      const start = performance.now();
      await driver.enqueueMany("noop", Array(jobs).fill([]));
      return { jobs_per_second: (jobs / (performance.now() - start)) * 1000, jobs };
    }),

  work: async ({ url, concurrency }) => {
    const working = new Driver(url).work(concurrency, inputEnded());
    console.log("ready");
    await working;
    return {};
  },

  load: ({ url, rate }) =>
    opened(url, async (driver) => {
      let ended = false;
      inputEnded().then(() => (ended = true));
      console.log("ready");
      const start = performance.now();
      let sent = 0;
      while (!ended) {
        const due = Math.floor(((performance.now() - start) / 1000) * rate) - sent;
        await byCallers(Math.min(due, CALLERS), due, () => driver.enqueue("noop"));
        sent += due;
        await sleep(5);
      }
      return {};
    }),

  pickup: ({ url, jobs }) =>
    opened(url, async (driver) => {
      const stamps = new Stamps();
      await stamps.open();
      const ms = [];
      for (let number = -5; number < jobs; number += 1) {
        await sleep(2 + Math.random() * 10);
        const called = epoch();
        await driver.enqueue("stamp", stamps.port, number);
        const started = (await stamps.collect(1)).get(number);
        if (number >= 0) ms.push(started - called);
      }
      return { ms };
    }),

  lateness: ({ url, jobs }) =>
    opened(url, async (driver) => {
      const stamps = new Stamps();
      await stamps.open();
      const start = Date.now() + 4000;
      const due = Array.from({ length: jobs }, (_, number) => start + Math.floor((1000 * number) / jobs));
      let next = 0;
      await byCallers(CALLERS, jobs, () => {
        const number = next;
        next += 1;
        return driver.enqueueAt(due[number], "stamp", stamps.port, number);
      });
      if (Date.now() > start) throw new Error("enqueued too late to be due together");
      const started = await stamps.collect(jobs);
      return { ms: due.map((at, number) => started.get(number) - at) };
    }),

  hold: ({ url, jobs, path, seconds }) =>
    opened(url, async (driver) => {
      for (let number = 0; number < jobs; number += 1) {
        await driver.enqueue("hold", path, number, seconds);
      }
      return {};
    }),
};

const { action, loop, ...parameters } = JSON.parse(process.argv[2]);
const figures = await QUESTIONS[action](parameters);
process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0));
