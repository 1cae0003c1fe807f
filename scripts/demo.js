// Builds the playground as an app would be, and serves it. With --no-serve, or where CI is set, it ends after the build.
import { build, preview } from 'vite'

const root = 'playground'
await build({ root })
if (process.argv.includes('--no-serve') || process.env.CI) {
  console.log('\nThe playground is in playground/dist. "npm run demo" serves it.')
} else {
  const server = await preview({ root })
  console.log('\nThe playground is served. Open:')
  server.printUrls()
}
