import fc from 'fast-check'

/** Property tests try the same cases on every machine; PROPERTY_SEED tries others. A failure names the seed in any case. */
fc.configureGlobal({ seed: Number(process.env.PROPERTY_SEED ?? 1) })
