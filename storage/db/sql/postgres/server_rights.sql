-- Whether this account may run programs on the server or use its files, and whether as a superuser.
SELECT current_user AS name, pg_backend_pid() AS pid, rolsuper AS superuser,
    pg_has_role(current_user, 'pg_execute_server_program', 'MEMBER')
        OR pg_has_role(current_user, 'pg_read_server_files', 'MEMBER')
        OR pg_has_role(current_user, 'pg_write_server_files', 'MEMBER') AS powerful
FROM pg_roles
WHERE rolname = current_user
