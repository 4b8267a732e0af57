// The files of a mailbox, asked in SQL, because no other route lists them over all messages.
export interface StoredFile {
  id: string
  part: string
  name: string
  type: string
  size: number
  from: string
  subject: string
  at: string
}

export const FILES = `
SELECT a.message_id, a.part, a.filename, a.content_type, a.size_bytes,
       CASE WHEN m.from_name = '' THEN m.from_address ELSE m.from_name END, m.subject, m.received_at
FROM attachments AS a JOIN messages AS m ON m.id = a.message_id
WHERE NOT a.inline AND m.deleted_at IS NULL
ORDER BY m.received_at DESC, a.message_id, a.part
LIMIT 1000`

export function fileOf(row: readonly unknown[]): StoredFile {
  const [id, part, name, type, size, from, subject, at] = row
  return {
    id: String(id),
    part: String(part),
    name: String(name ?? ''),
    type: String(type ?? ''),
    size: Number(size),
    from: String(from ?? ''),
    subject: String(subject ?? ''),
    at: `${String(at)}Z`,
  }
}

/** Files whose name, type or sender contains every word. */
export function matching(files: readonly StoredFile[], filter: string): StoredFile[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean)
  return files.filter((file) => {
    const text = `${file.name} ${file.type} ${file.from}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })
}
