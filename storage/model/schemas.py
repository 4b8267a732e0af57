"""The Arrow schemas of the tables that storage accepts, writes to Parquet and returns."""

import pyarrow as pa

#: Fetched mail, as a fetch task passes it to a process task: exact bytes and Gmail's metadata.
FETCHED = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("message_id", pa.int64(), nullable=False),
        pa.field("thread_id", pa.int64(), nullable=False),
        pa.field("history_id", pa.int64(), nullable=False),  # as of the fetch
        pa.field("received_at", pa.timestamp("ms", "UTC"), nullable=False),  # Gmail's internalDate
        pa.field("labels", pa.list_(pa.string()), nullable=False),  # label ids as of the fetch
        pa.field("snippet", pa.string(), nullable=False),
        pa.field("raw", pa.large_binary(), nullable=False),  # the message, bit-exact
    ]
)

#: A column beside FETCHED, only of tables with such mail: what is doubtful about Gmail's answer, as defects.
DOUBTS = pa.field("doubts", pa.list_(pa.string()))

_ATTACHMENT = pa.struct(
    [
        pa.field("part", pa.string()),  # IMAP part number: "2.1"
        pa.field("filename", pa.string()),
        pa.field("content_type", pa.string()),
        pa.field("size_bytes", pa.int64()),  # decoded
        pa.field("sha256", pa.binary(32)),  # of the decoded bytes
        pa.field("inline", pa.bool_()),
        pa.field("content_id", pa.string()),
    ]
)

#: Locations of messages: the first columns of MESSAGES, and all columns of a segment that the message index needs.
INDEX = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("message_id", pa.int64(), nullable=False),
        pa.field("thread_id", pa.int64(), nullable=False),
        pa.field("history_id", pa.int64(), nullable=False),
        pa.field("received_at", pa.timestamp("ms", "UTC"), nullable=False),
        pa.field("labels", pa.list_(pa.string()), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),  # of the raw message
        pa.field("sha256", pa.binary(32), nullable=False),  # of the raw message
        pa.field("frame_offset", pa.int64(), nullable=False),  # of the zstd frame, in the raw file
        pa.field("frame_bytes", pa.int32(), nullable=False),  # of the frame, compressed
        pa.field("raw_offset", pa.int32(), nullable=False),  # of the message, in the decompressed frame
    ]
)

#: One row per message of a segment's Parquet file, sorted by user and date.
MESSAGES = pa.schema(
    [
        *INDEX,
        pa.field("snippet", pa.string(), nullable=False),  # Gmail's
        pa.field("date", pa.timestamp("ms", "UTC")),  # of the Date header; null when missing or invalid
        pa.field("from_name", pa.string(), nullable=False),
        pa.field("from_address", pa.string(), nullable=False),  # lower case
        pa.field("from", pa.string(), nullable=False),  # as displayed
        pa.field("to", pa.list_(pa.string()), nullable=False),
        pa.field("cc", pa.list_(pa.string()), nullable=False),
        pa.field("bcc", pa.list_(pa.string()), nullable=False),
        pa.field("reply_to", pa.list_(pa.string()), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("rfc822_message_id", pa.string(), nullable=False),
        pa.field("in_reply_to", pa.string(), nullable=False),
        pa.field("references", pa.list_(pa.string()), nullable=False),
        pa.field("list_id", pa.string(), nullable=False),
        pa.field(
            "headers",  # all, decoded, in order
            pa.list_(pa.struct([pa.field("name", pa.string()), pa.field("value", pa.string())])),
            nullable=False,
        ),
        pa.field("text", pa.string(), nullable=False),  # plain text, or text extracted from the HTML
        pa.field("has_html", pa.bool_(), nullable=False),
        pa.field("attachments", pa.list_(_ATTACHMENT), nullable=False),
        pa.field("defects", pa.list_(pa.string()), nullable=False),  # defect codes of jobs/mime
    ]
)
