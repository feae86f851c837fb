-- Databases and roles for a deployment: `psql -f roles.sql` as a superuser. Harmless to repeat: it sets the passwords anew.
--
-- Passwords come from the environment: LEADS_PASSWORD, LEADS_MIGRATION_PASSWORD, and so on for each service.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC;

\set service leads
\getenv password LEADS_PASSWORD
\getenv migration_password LEADS_MIGRATION_PASSWORD
\ir service.sql

\set service customers
\getenv password CUSTOMERS_PASSWORD
\getenv migration_password CUSTOMERS_MIGRATION_PASSWORD
\ir service.sql

\set service surveys
\getenv password SURVEYS_PASSWORD
\getenv migration_password SURVEYS_MIGRATION_PASSWORD
\ir service.sql

\set service messaging
\getenv password MESSAGING_PASSWORD
\getenv migration_password MESSAGING_MIGRATION_PASSWORD
\ir service.sql

\set service metrics
\getenv password METRICS_PASSWORD
\getenv migration_password METRICS_MIGRATION_PASSWORD
\ir service.sql
-- Metrics folds facts into figures by way of temporary tables.
GRANT TEMPORARY ON DATABASE metrics TO metrics;

-- The sandbox makes its tables by itself; it is wanted where its password is given.
\getenv sandbox_password SANDBOX_PASSWORD
\if :{?sandbox_password}
    SELECT :'sandbox_password' <> '' AS sandbox_is_wanted \gset
    \if :sandbox_is_wanted
        \ir sandbox.sql
    \endif
\endif
