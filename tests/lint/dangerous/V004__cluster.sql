-- finds: vacuum-full-or-cluster error
CLUSTER accounts USING accounts_pkey;
