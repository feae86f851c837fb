-- The sandbox's role and database. Variable: sandbox_password. roles.sql includes this.
SELECT 'CREATE ROLE sandbox' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sandbox') \gexec
ALTER ROLE sandbox WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'sandbox_password';
SELECT 'CREATE DATABASE sandbox OWNER sandbox' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'sandbox') \gexec
REVOKE ALL ON DATABASE sandbox FROM PUBLIC;
