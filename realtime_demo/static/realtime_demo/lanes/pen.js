/** Draws the marks of the lanes, and counts them. */
const FONT = "system-ui, 'Apple SD Gothic Neo', 'Noto Sans KR', 'Noto Sans CJK KR', sans-serif";

export class Pen {
  /** Number of marks in this frame. */
  markCount = 0;
  /** Colours from the style sheet. @type {Record<"ink" | "muted" | "line" | "ground" | "bad" | "note", string>} */
  colours;

  /** @param {CanvasRenderingContext2D} context */
  constructor(context) {
    this.context = context;
  }

  rect(x, y, width, height, alpha = 1) {
    this.context.globalAlpha = alpha;
    this.context.fillRect(x, y, width, height);
    this.context.globalAlpha = 1;
    this.markCount += 1;
  }

  text(text, x, y, { align = /** @type {CanvasTextAlign} */ ("left"), colour = this.colours.muted, size = 11, weight = 400 } = {}) {
    const { context } = this;
    context.font = `${weight} ${size}px ${FONT}`;
    context.textAlign = align;
    context.textBaseline = "middle";
    context.fillStyle = colour;
    context.fillText(text, x, y);
    this.markCount += 1;
  }

  outline(x, y, width, height, alpha) {
    this.context.globalAlpha = alpha;
    this.context.strokeRect(x + 0.6, y + 0.6, width - 1.2, height - 1.2);
    this.context.globalAlpha = 1;
    this.markCount += 1;
  }

  /** A technique's shape around a point. @param {Path2D} path */
  shape(path, x, y, size) {
    const { context } = this;
    context.save();
    context.translate(x, y);
    context.scale(size, size);
    context.fill(path);
    context.restore();
    this.markCount += 1;
  }

  /** A line along the path that `draw` makes. */
  stroke(colour, width, draw) {
    const { context } = this;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    draw(context);
    context.stroke();
    this.markCount += 1;
  }

  cross(x, y, size) {
    if (x < 0) return;
    const lines = (context) => {
      context.moveTo(x - size, y - size);
      context.lineTo(x + size, y + size);
      context.moveTo(x + size, y - size);
      context.lineTo(x - size, y + size);
    };
    this.stroke(this.colours.ground, 6, lines);
    this.stroke(this.colours.bad, 3, lines);
  }

  diamond(x, y) {
    if (x < 0) return;
    this.stroke(this.colours.ink, 2, (context) => {
      context.moveTo(x, y - 6);
      context.lineTo(x + 6, y);
      context.lineTo(x, y + 6);
      context.lineTo(x - 6, y);
      context.closePath();
    });
  }

  ring(x, y) {
    this.stroke(this.colours.bad, 2.2, (context) => context.arc(x, y, 5, 0, 2 * Math.PI));
  }

  /** The width of `text`, in bold type. @param {string} text */
  textWidth(text, size) {
    this.context.font = `600 ${size}px ${FONT}`;
    return this.context.measureText(text).width;
  }
}
