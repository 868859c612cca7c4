/** The notes of the demo's tune (`tune.ts`): chords, melodies, and the order of the sections. */

/** A pitch in MIDI numbers, 69 being the A of 440 Hz; null is a rest. Length in beats. */
export type Melody = readonly { readonly pitch: number | null; readonly beats: number }[];

/** Some bars that belong together: one chord for each. */
export type Section = {
  readonly chords: readonly string[];
  readonly melody: "verse" | "chorus" | null;
  readonly hasBass: boolean;
  readonly hasPad: boolean;
  /** Bar by bar quieter down to nothing. */
  readonly fadesOut: boolean;
};

const verseChords = ["D", "Bm", "G", "A", "D/F#", "Bm", "Em", "A"];
const chorusChords = ["G", "A", "F#m", "Bm", "G", "A", "D", "D"];

const plain: Section = { chords: verseChords, melody: null, hasBass: true, hasPad: true, fadesOut: false };
const verse: Section = { ...plain, melody: "verse" };
const chorus: Section = { ...plain, chords: chorusChords, melody: "chorus" };

export const sections: readonly Section[] = [
  { ...plain, chords: verseChords.slice(0, 4), hasBass: false, hasPad: false },
  plain,
  { ...verse, hasPad: false },
  chorus,
  verse,
  chorus,
  verse,
  { ...plain, chords: [...verseChords.slice(0, 4), "G", "A", "D", "D"], fadesOut: true },
];

export function bars(): number {
  return sections.reduce((sum, section) => sum + section.chords.length, 0);
}

/** The bass note, and the four notes that the arpeggio and the pad play. */
export function chordOf(name: string): { readonly bass: number; readonly tones: readonly number[] } {
  const [bass, ...tones] = (chords[name] ?? "").split(" ");
  if (bass === undefined || tones.length !== 4) throw new Error(`no chord ${name}`);
  return { bass: pitchOf(bass), tones: tones.map(pitchOf) };
}

export function melodyOf(name: "verse" | "chorus"): Melody {
  return melodies[name]
    .trim()
    .split(/\s+/)
    .map((item) => {
      const [pitch = "", beats] = item.split(":");
      return { pitch: pitch === "-" ? null : pitchOf(pitch), beats: Number(beats) };
    });
}

export function frequencyOf(pitch: number): number {
  return 440 * 2 ** ((pitch - 69) / 12);
}

/** Bass first. Sevenths and ninths rather than plain triads: they keep the harmony floating. */
const chords: Readonly<Record<string, string>> = {
  D: "D2 A3 D4 E4 F#4",
  "D/F#": "F#2 A3 D4 F#4 A4",
  Em: "E2 G3 B3 D4 F#4",
  "F#m": "F#2 A3 C#4 E4 F#4",
  G: "G2 G3 B3 D4 F#4",
  A: "A1 A3 C#4 E4 B4",
  Bm: "B1 F#3 A3 B3 D4",
};

/** A pitch or a rest, and its length in beats; two lines of four bars. */
const melodies = {
  verse: `
    F#5:1.5 E5:0.5 D5:1 A4:1   B4:1 D5:1 F#5:2            G5:1 F#5:0.5 E5:0.5 D5:2       E5:3 -:1
    F#5:1.5 G5:0.5 A5:2        F#5:1 E5:0.5 D5:0.5 B4:2   G4:0.5 B4:0.5 D5:1 E5:1 F#5:1  E5:3 -:1`,
  chorus: `
    B5:1.5 A5:0.5 G5:1 F#5:1   E5:1 A5:2 -:1              F#5:1 A5:1 C#6:2               B5:2 A5:1 F#5:1
    G5:1 F#5:1 D5:2            E5:1.5 F#5:0.5 E5:1 C#5:1  D5:3 -:1                       -:2 A4:1 D5:1`,
} as const;

function pitchOf(name: string): number {
  const [, letter = "", sharp, octave] = /^([A-G])(#?)(\d)$/.exec(name) ?? [];
  const step = semitones[letter];
  if (step === undefined) throw new Error(`no pitch ${name}`);
  return 12 * (Number(octave) + 1) + step + (sharp === "#" ? 1 : 0);
}

const semitones: Readonly<Record<string, number>> = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 };
