ALTER TABLE "posts" ALTER COLUMN "kind" DROP DEFAULT;
--> statement-breakpoint
ALTER TABLE "posts" ALTER COLUMN "kind" DROP NOT NULL;
