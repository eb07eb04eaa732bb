GRANT SELECT ON accounts TO reporting;
REVOKE INSERT ON accounts FROM reporting;
