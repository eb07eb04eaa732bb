-- finds: require-concurrent-reindex error
REINDEX TABLE messages;
