/** Pixels of an input of the classifier. */
export const lineWidth = 192
export const lineHeight = 48

/** Draws a line of black text on white, cropped to its height and squeezed to the width as OCR does; upside down if wanted. */
export const drawTextLine = (canvas: HTMLCanvasElement, text: string, { rotated }: { rotated: boolean }): void => {
  canvas.width = lineWidth
  canvas.height = lineHeight
  const context = contextOf(canvas)
  context.fillStyle = 'white'
  context.fillRect(0, 0, lineWidth, lineHeight)
  if (rotated) {
    context.translate(lineWidth, lineHeight)
    context.rotate(Math.PI)
  }
  context.fillStyle = 'black'
  context.font = '36px "Open Sans", Arial, "Liberation Sans", sans-serif'
  const margin = 4
  const squeeze = Math.min(1, (lineWidth - 2 * margin) / Math.max(context.measureText(text).width, 1))
  context.translate(margin, 0)
  context.scale(squeeze, 1)
  context.fillText(text, 0, 36)
}

/** The pixels of a canvas, red, green, blue and alpha of each. */
export const pixelsOf = (canvas: HTMLCanvasElement): Uint8ClampedArray =>
  contextOf(canvas).getImageData(0, 0, lineWidth, lineHeight).data

/** Images as the classifier takes them: float32 [images, blue–green–red, height, width] from −1 to 1. */
export const classifierInput = (images: readonly ArrayLike<number>[]): Float32Array => {
  const plane = lineWidth * lineHeight
  const input = new Float32Array(images.length * 3 * plane)
  for (const [image, pixels] of images.entries()) {
    for (let pixel = 0; pixel < plane; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        const level = pixels[pixel * 4 + (2 - channel)] ?? 0
        input[(image * 3 + channel) * plane + pixel] = level / 127.5 - 1
      }
    }
  }
  return input
}

const contextOf = (canvas: HTMLCanvasElement): CanvasRenderingContext2D => {
  const context = canvas.getContext('2d', { willReadFrequently: true })
  if (!context) throw new TypeError('This browser gives no 2d context.')
  return context
}
