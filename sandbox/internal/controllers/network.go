package controllers

import (
	"context"
	"time"

	endpointcontroller "k8s.io/kubernetes/pkg/controller/endpoint"
	endpointslicecontroller "k8s.io/kubernetes/pkg/controller/endpointslice"
	"k8s.io/kubernetes/pkg/controller/endpointslicemirroring"
)

const (
	endpointBatch     = 100 * time.Millisecond // how long pod changes gather before one write
	endpointsPerSlice = 100
	mirroredPerSubset = 1000
)

func endpoints(ctx context.Context, e *env) (loop, error) {
	client, err := e.client("endpoint-controller")
	if err != nil {
		return nil, err
	}
	core := e.informers.Core().V1()
	c := endpointcontroller.NewEndpointController(ctx, core.Pods(), core.Services(), core.Endpoints(), client, endpointBatch)
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}

func endpointSlices(ctx context.Context, e *env) (loop, error) {
	client, err := e.client("endpointslice-controller")
	if err != nil {
		return nil, err
	}
	core := e.informers.Core().V1()
	c := endpointslicecontroller.NewController(ctx, core.Pods(), core.Services(), core.Nodes(),
		e.informers.Discovery().V1().EndpointSlices(), endpointsPerSlice, client, endpointBatch)
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}

func endpointSliceMirrors(ctx context.Context, e *env) (loop, error) {
	client, err := e.client("endpointslicemirroring-controller")
	if err != nil {
		return nil, err
	}
	core := e.informers.Core().V1()
	c := endpointslicemirroring.NewController(ctx, core.Endpoints(), e.informers.Discovery().V1().EndpointSlices(), core.Services(),
		mirroredPerSubset, client, endpointBatch)
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}
