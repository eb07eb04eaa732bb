-- finds: disallowed-unique-constraint error
ALTER TABLE accounts ADD PRIMARY KEY (id);
