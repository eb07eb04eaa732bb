-- finds: ban-alter-domain-with-add-constraint error
ALTER DOMAIN postcode ADD CONSTRAINT short CHECK (length(value) < 10);
