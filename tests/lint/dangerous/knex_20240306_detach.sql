-- finds: require-concurrent-partition-detach warning
alter table "measures" detach partition "measures_2020";
