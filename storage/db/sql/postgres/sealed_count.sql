-- Number of sealed values in a table. {table}, {key}: the table and its primary key.
SELECT count({key}) FROM {table}
