// Package objects is the suite's MinIO: one bucket with the attachments.
package objects

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Bucket is the bucket of the attachments.
type Bucket struct {
	client *minio.Client
	name   string
}

// Open prepares a client; it does not connect. The endpoint is host:port.
func Open(endpoint, accessKey, secretKey, bucket string) (*Bucket, error) {
	transport := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       60 * time.Second,
		ResponseHeaderTimeout: 15 * time.Second,
	}
	client, err := minio.New(endpoint, &minio.Options{
		Creds:     credentials.NewStaticV4(accessKey, secretKey, ""),
		Transport: transport,
		// A fixed region saves the client a look-up before its first request, and with it a way to hang.
		Region:     "us-east-1",
		MaxRetries: 2,
	})
	if err != nil {
		return nil, err
	}
	return &Bucket{client, bucket}, nil
}

// Key is where the attachment with this id lies.
func Key(id string) string { return "attachments/" + id[:2] + "/" + id }

// Check asks the server for the bucket, with our credentials.
func (b *Bucket) Check(ctx context.Context) error {
	exists, err := b.client.BucketExists(ctx, b.name)
	if err == nil && !exists {
		return minio.ErrorResponse{Code: minio.NoSuchBucket, Message: "the bucket does not exist", BucketName: b.name}
	}
	return err
}

// Ensure makes the bucket when it is missing.
func (b *Bucket) Ensure(ctx context.Context) error {
	exists, err := b.client.BucketExists(ctx, b.name)
	if err != nil || exists {
		return err
	}
	return b.client.MakeBucket(ctx, b.name, minio.MakeBucketOptions{})
}

// Put stores an object of a known size. When it returns nil, MinIO has it on disk.
func (b *Bucket) Put(ctx context.Context, key string, content io.Reader, size int64, contentType string) error {
	_, err := b.client.PutObject(ctx, b.name, key, content, size, minio.PutObjectOptions{
		ContentType: contentType,
		// One request per object: nothing is left half-written when the client goes away.
		DisableMultipart: true,
	})
	return err
}

// Get opens an object. The reader's first Read reports a missing object: see Missing.
func (b *Bucket) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	return b.client.GetObject(ctx, b.name, key, minio.GetObjectOptions{})
}

// Remove deletes an object.
func (b *Bucket) Remove(ctx context.Context, key string) error {
	return b.client.RemoveObject(ctx, b.name, key, minio.RemoveObjectOptions{})
}

// Missing tells whether the error says that there is no such object.
func Missing(err error) bool {
	code := minio.ToErrorResponse(err).Code
	return code == minio.NoSuchKey || code == minio.NoSuchBucket
}
