'use strict';

/** A cache with a time to live, which counts how often it could answer. */
class Cache {
  constructor(ttlSeconds) {
    this.ttl = ttlSeconds * 1000;
    this.entries = new Map();
    this.hits = 0;
    this.misses = 0;
  }

  async get(key, produce) {
    const entry = this.entries.get(key);
    if (entry && entry.until > Date.now()) {
      this.hits += 1;
      return entry.value;
    }
    this.misses += 1;
    const value = await produce();
    this.entries.set(key, {value, until: Date.now() + this.ttl});
    return value;
  }

  statistics() {
    const total = this.hits + this.misses;
    const rate = total ? (this.hits / total) * 100 : 0;
    return {hits: this.hits, misses: this.misses, hitRate: `${rate.toFixed(2)}%`, size: this.entries.size};
  }
}

module.exports = {Cache};
