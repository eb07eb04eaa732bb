-- finds: require-concurrent-index-creation error
-- a comment that ends with a carriage return onlyCREATE INDEX messages_to_idx ON messages (recipient);
