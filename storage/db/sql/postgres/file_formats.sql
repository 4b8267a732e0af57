-- The format number that is written, by kind of file.
SELECT kind, number FROM file_formats ORDER BY kind
