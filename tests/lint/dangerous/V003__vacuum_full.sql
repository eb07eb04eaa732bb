-- finds: vacuum-full-or-cluster error
VACUUM FULL accounts;
