/**
 * Three minutes of music, computed: the file that the demo sends through the tunnel. The same samples at every run.
 *
 * A slow piece in D major at 80 beats a minute: a plucked arpeggio, a bass, a pad and a tune over them, in sections of
 * eight bars. Every sound is a sum of partials, each a complex number that turns (the pitch) and shrinks (the decay) with
 * every sample, which costs four multiplications where a sine costs fifty. Each note is computed once and mixed in
 * wherever the score asks for it.
 */

import { bars, chordOf, frequencyOf, type Melody, melodyOf, type Section, sections } from "./score.ts";
import { assembleWav, SAMPLE_RATE } from "./wav.ts";

export const TITLE = "Water under the road";

/** A whole WAV file: 16 bit, stereo, 44,100 Hz, about 31 MiB. Takes well under a second. */
export function composeTune(): Buffer {
  const frames = (bars() + TAIL_BARS) * BAR_FRAMES;
  const echoing: Stereo = { left: new Float32Array(frames), right: new Float32Array(frames) };
  const dry: Stereo = { left: new Float32Array(frames), right: new Float32Array(frames) };
  const notes = new Map<string, Float32Array>();
  let bar = 0;
  for (const section of sections) {
    section.chords.forEach((chord, index) => {
      const fade = section.fadesOut ? 1 - index / section.chords.length : 1;
      playChord({ echoing, dry, notes, start: (bar + index) * BAR_FRAMES, section, chord, fade });
    });
    if (section.melody !== null) playMelody(echoing, notes, bar * BAR_FRAMES, melodyOf(section.melody));
    bar += section.chords.length;
  }
  echo(echoing);
  return assembleWav(mixDown(echoing, dry));
}

type Stereo = { readonly left: Float32Array; readonly right: Float32Array };

/** One partial of a sound: multiple of the pitch, loudness, and how much of it is left after a second. */
type Partial = { readonly multiple: number; readonly level: number; readonly leftAfterSecond: number };
type Voice = {
  readonly partials: readonly Partial[];
  readonly attackSeconds: number;
  readonly releaseSeconds: number;
};

const BEATS_PER_BAR = 4;
const BEAT_FRAMES = (SAMPLE_RATE * 60) / 80;
const BAR_FRAMES = BEATS_PER_BAR * BEAT_FRAMES;

/** Room for the last notes and their echoes to die away. */
const TAIL_BARS = 1;

const voices = {
  pluck: {
    partials: [
      { multiple: 1, level: 1, leftAfterSecond: 0.12 },
      { multiple: 2, level: 0.35, leftAfterSecond: 0.03 },
      { multiple: 3, level: 0.12, leftAfterSecond: 0.005 },
      { multiple: 5.02, level: 0.06, leftAfterSecond: 0.0005 },
    ],
    attackSeconds: 0.004,
    releaseSeconds: 0.25,
  },
  lead: {
    partials: [
      { multiple: 1, level: 1, leftAfterSecond: 0.55 },
      { multiple: 1.003, level: 0.4, leftAfterSecond: 0.6 },
      { multiple: 2, level: 0.3, leftAfterSecond: 0.35 },
      { multiple: 3, level: 0.1, leftAfterSecond: 0.15 },
      { multiple: 4, level: 0.05, leftAfterSecond: 0.05 },
    ],
    attackSeconds: 0.03,
    releaseSeconds: 0.22,
  },
  // Two strings less than a hertz apart beat slowly against each other, which is what makes a pad warm.
  pad: {
    partials: [
      { multiple: 1.001, level: 0.6, leftAfterSecond: 0.95 },
      { multiple: 0.999, level: 0.6, leftAfterSecond: 0.95 },
      { multiple: 2.002, level: 0.15, leftAfterSecond: 0.8 },
    ],
    attackSeconds: 0.7,
    releaseSeconds: 0.9,
  },
  bass: {
    partials: [
      { multiple: 1, level: 1, leftAfterSecond: 0.5 },
      { multiple: 2, level: 0.4, leftAfterSecond: 0.25 },
      { multiple: 3, level: 0.15, leftAfterSecond: 0.1 },
    ],
    attackSeconds: 0.012,
    releaseSeconds: 0.2,
  },
} as const satisfies Record<string, Voice>;

type ChordCall = {
  readonly echoing: Stereo;
  readonly dry: Stereo;
  readonly notes: Map<string, Float32Array>;
  readonly start: number;
  readonly section: Section;
  readonly chord: string;
  /** 1 at full strength. */
  readonly fade: number;
};

/** The order in which the eighths of a bar walk over the four notes of its chord. */
const ARPEGGIO = [0, 1, 2, 3, 2, 1, 3, 1];

function playChord(call: ChordCall): void {
  const { start, fade, section, notes } = call;
  const { bass, tones } = chordOf(call.chord);
  ARPEGGIO.forEach((tone, eighth) => {
    const pitch = tones[tone % tones.length] ?? bass;
    const note = render(notes, "pluck", pitch + 12, 3);
    const at = start + (eighth * BEAT_FRAMES) / 2;
    // The first of each group of four is a little louder: that is the pulse.
    const level = (eighth % 4 === 0 ? 0.26 : 0.19) * fade;
    mix(call.echoing, note, at, level, eighth % 2 === 0 ? 0.3 : 0.7);
  });
  if (section.hasPad) {
    tones.forEach((pitch, index) => {
      mix(call.dry, render(notes, "pad", pitch, 4), start, 0.085 * fade, 0.2 + 0.2 * index);
    });
  }
  if (section.hasBass) {
    mix(call.dry, render(notes, "bass", bass, 2.5), start, 0.34 * fade, 0.5);
    mix(call.dry, render(notes, "bass", bass + 12, 1), start + 2.5 * BEAT_FRAMES, 0.16 * fade, 0.5);
  }
}

function playMelody(into: Stereo, notes: Map<string, Float32Array>, start: number, melody: Melody): void {
  let beat = 0;
  for (const { pitch, beats } of melody) {
    if (pitch !== null) mix(into, render(notes, "lead", pitch, beats), start + beat * BEAT_FRAMES, 0.27, 0.5);
    beat += beats;
  }
}

/** The samples of one note, computed at its first use. */
function render(
  notes: Map<string, Float32Array>,
  voiceName: keyof typeof voices,
  pitch: number,
  beats: number,
): Float32Array {
  const key = `${voiceName} ${pitch} ${beats}`;
  const known = notes.get(key);
  if (known !== undefined) return known;
  const voice: Voice = voices[voiceName];
  const heldFrames = Math.round(beats * BEAT_FRAMES);
  const releaseFrames = Math.round(voice.releaseSeconds * SAMPLE_RATE);
  const note = new Float32Array(heldFrames + releaseFrames);
  for (const partial of voice.partials) addPartial(note, partial, frequencyOf(pitch));
  const attackFrames = Math.min(heldFrames, Math.round(voice.attackSeconds * SAMPLE_RATE));
  for (let i = 0; i < attackFrames; i++) note[i] = (note[i] ?? 0) * smooth(i / attackFrames);
  for (let i = 0; i < releaseFrames; i++) {
    note[heldFrames + i] = (note[heldFrames + i] ?? 0) * smooth(1 - i / releaseFrames);
  }
  notes.set(key, note);
  return note;
}

function addPartial(note: Float32Array, partial: Partial, frequency: number): void {
  const shrink = partial.leftAfterSecond ** (1 / SAMPLE_RATE);
  const angle = (2 * Math.PI * frequency * partial.multiple) / SAMPLE_RATE;
  const turnReal = shrink * Math.cos(angle);
  const turnImaginary = shrink * Math.sin(angle);
  let real = partial.level;
  let imaginary = 0;
  for (let i = 0; i < note.length; i++) {
    note[i] = (note[i] ?? 0) + imaginary;
    const nextReal = real * turnReal - imaginary * turnImaginary;
    imaginary = real * turnImaginary + imaginary * turnReal;
    real = nextReal;
  }
}

/** A ramp from 0 to 1 without corners, for a beginning and an end that do not click. */
function smooth(x: number): number {
  return x * x * (3 - 2 * x);
}

/** `atFrames` may lie between two frames; `pan` goes from 0, all left, to 1, all right. */
function mix(into: Stereo, note: Float32Array, atFrames: number, level: number, pan: number): void {
  const { left, right } = into;
  const at = Math.round(atFrames);
  const leftLevel = level * Math.cos((pan * Math.PI) / 2);
  const rightLevel = level * Math.sin((pan * Math.PI) / 2);
  const end = Math.min(note.length, left.length - at);
  for (let i = 0; i < end; i++) {
    const sample = note[i] ?? 0;
    left[at + i] = (left[at + i] ?? 0) + sample * leftLevel;
    right[at + i] = (right[at + i] ?? 0) + sample * rightLevel;
  }
}

/** Each side comes back on the other three eighths later, weaker each time. */
function echo(sound: Stereo): void {
  const { left, right } = sound;
  const delay = Math.round(1.5 * BEAT_FRAMES);
  for (let i = delay; i < left.length; i++) {
    const fromLeft = left[i - delay] ?? 0;
    left[i] = (left[i] ?? 0) + 0.33 * (right[i - delay] ?? 0);
    right[i] = (right[i] ?? 0) + 0.33 * fromLeft;
  }
}

/** Adds both and scales the loudest sample to a little below full. */
function mixDown(echoing: Stereo, dry: Stereo): Stereo {
  let peak = 0;
  for (const side of ["left", "right"] as const) {
    const into = echoing[side];
    const from = dry[side];
    for (let i = 0; i < into.length; i++) {
      const sample = (into[i] ?? 0) + (from[i] ?? 0);
      into[i] = sample;
      if (sample > peak) peak = sample;
      else if (-sample > peak) peak = -sample;
    }
  }
  const scale = 0.89 / peak;
  for (const side of [echoing.left, echoing.right]) {
    for (let i = 0; i < side.length; i++) side[i] = (side[i] ?? 0) * scale;
  }
  return echoing;
}
