-- finds: several-tables-locked warning
ALTER TABLE "posts" ADD COLUMN "slug" text;
--> statement-breakpoint
ALTER TABLE "authors" ADD COLUMN "slug" text;
