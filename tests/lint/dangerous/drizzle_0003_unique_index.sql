-- finds: require-concurrent-index-creation error
CREATE UNIQUE INDEX "posts_slug_index" ON "posts" USING btree ("slug");
--> statement-breakpoint
ALTER TABLE "posts" ADD COLUMN "kind" text;
